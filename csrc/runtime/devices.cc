#include "runtime/devices.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace safeasr::runtime {
namespace {

at::Device Parse(const std::string& name) {
  try {
    return at::Device(name);
  } catch (const c10::Error&) {
    throw std::invalid_argument("'" + name + "' is no device; expected cpu, cuda, cuda:0 or so");
  }
}

}  // namespace

at::Device CurrentDevice(at::DeviceType type) {
  if (type == at::kCPU) return at::kCPU;
  return c10::impl::VirtualGuardImpl(type).getDevice();
}

at::Device Existing(at::Device device) {
  if (device.is_cpu()) return at::kCPU;
  if (!c10::impl::hasDeviceGuardImpl(device.type())) {
    throw std::invalid_argument("device " + device.str() + ": this build of torch does not have " +
                                c10::DeviceTypeName(device.type()));
  }
  const c10::impl::VirtualGuardImpl guard(device.type());
  const int count = guard.deviceCount();
  if (count == 0 || device.index() >= count) {
    throw std::invalid_argument("device " + device.str() + " does not exist: there are " +
                                std::to_string(count));
  }
  return device.has_index() ? device : guard.getDevice();
}

std::vector<at::Device> ParseDevices(const std::string& names) {
  std::vector<at::Device> devices;
  std::istringstream stream(names);
  for (std::string name; std::getline(stream, name, ',');) {
    name.erase(0, name.find_first_not_of(' '));
    name.erase(name.find_last_not_of(' ') + 1);
    const at::Device device = Existing(Parse(name));
    if (std::find(devices.begin(), devices.end(), device) != devices.end()) {
      throw std::invalid_argument("device " + device.str() + " is named twice in '" + names + "'");
    }
    if (!devices.empty() && device.type() != devices.front().type()) {
      throw std::invalid_argument("devices of one model must be of one kind, got '" + names + "'");
    }
    devices.push_back(device);
  }
  if (devices.empty()) throw std::invalid_argument("expected the name of a device, got ''");
  return devices;
}

}  // namespace safeasr::runtime
