// What binds itself: a file that binds a family, or results of its own, announces them here, and
// nothing else in this folder names it.
//
//   const Registered my_family_registered(&BindMyFamily);
//   const RegisterResult<asr::MyResult> my_result_registered(&ToPython);
#pragma once

#include <pybind11/pybind11.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <typeindex>
#include <typeinfo>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/ticket.h"

namespace safeasr {

// In functions, so that they are there whichever file is initialised first.
inline std::vector<void (*)(pybind11::module_&)>& RegisteredBindings() {
  static std::vector<void (*)(pybind11::module_&)> bindings;
  return bindings;
}

using ResultConverter = std::function<pybind11::object(const core::Result&)>;

inline std::unordered_map<std::type_index, ResultConverter>& RegisteredResults() {
  static std::unordered_map<std::type_index, ResultConverter> converters;
  return converters;
}

// At namespace scope: `bind` is called when the module is made, once the types of the core are
// bound (Frontend, Ticket, Program, Runner, Engine). Bindings must not build on each other's types.
class Registered {
 public:
  explicit Registered(void (*bind)(pybind11::module_&)) { RegisteredBindings().push_back(bind); }
};

// At namespace scope: what Ticket.get() makes of a result of exactly this type. Called with the
// GIL held, perhaps several times for one result.
template <class Result>
class RegisterResult {
 public:
  explicit RegisterResult(pybind11::object (*convert)(const Result&)) {
    const bool first = RegisteredResults()
                           .emplace(typeid(Result),
                                    [convert](const core::Result& result) {
                                      return convert(static_cast<const Result&>(result));
                                    })
                           .second;
    if (!first) throw std::logic_error(std::string("registered twice: ") + typeid(Result).name());
  }
};

inline pybind11::object ToPython(const core::Result& result) {
  const auto found = RegisteredResults().find(typeid(result));
  if (found == RegisteredResults().end()) {
    throw pybind11::type_error("a result that the bindings do not know");
  }
  return found->second(result);
}

}  // namespace safeasr
