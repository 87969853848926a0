# Finds libtorch inside the torch package of the Python in use, as the target safeasr_torch.
#
# Not through TorchConfig.cmake: with a CUDA build of torch that asks for the CUDA toolkit, which
# safeasr does not need. It includes no CUDA header and links only the device-generic libraries.
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)

execute_process(
  COMMAND ${Python_EXECUTABLE} -c
    "import torch, os; print(os.path.dirname(torch.__file__)); print(torch.__version__); print(int(torch.compiled_with_cxx11_abi()))"
  OUTPUT_VARIABLE torch_facts ERROR_VARIABLE torch_error RESULT_VARIABLE torch_result
  OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT torch_result EQUAL 0)
  message(FATAL_ERROR
    "torch cannot be imported by ${Python_EXECUTABLE}. safeasr is built against the torch you run "
    "it with: install torch (2.11 to 2.14) first, then `pip install --no-build-isolation .`\n${torch_error}")
endif()
string(REPLACE "\n" ";" torch_facts "${torch_facts}")
list(GET torch_facts 0 torch_dir)
list(GET torch_facts 1 SAFEASR_TORCH_VERSION)
list(GET torch_facts 2 torch_cxx11_abi)
if(SAFEASR_TORCH_VERSION VERSION_LESS 2.11 OR SAFEASR_TORCH_VERSION VERSION_GREATER_EQUAL 2.15)
  message(WARNING "torch ${SAFEASR_TORCH_VERSION} is outside 2.11 to 2.14, which safeasr is made for")
endif()
set(SAFEASR_TORCH_LIB_DIR ${torch_dir}/lib)
message(STATUS "torch ${SAFEASR_TORCH_VERSION} in ${torch_dir}")

add_library(safeasr_torch INTERFACE)
target_include_directories(safeasr_torch SYSTEM INTERFACE
  ${torch_dir}/include ${torch_dir}/include/torch/csrc/api/include)
target_compile_definitions(safeasr_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=${torch_cxx11_abi})
if(SAFEASR_TORCH_VERSION VERSION_GREATER_EQUAL 2.14)
  # Its headers refuse anything older; safeasr's own sources are C++17.
  target_compile_features(safeasr_torch INTERFACE cxx_std_20)
endif()
target_link_directories(safeasr_torch INTERFACE ${SAFEASR_TORCH_LIB_DIR})
# A CUDA build of torch brings its backend in through libtorch's own dependencies, loaded by
# `import torch`, so these names are the same for every build.
target_link_libraries(safeasr_torch INTERFACE torch torch_cpu c10)

# But for graphs (csrc/runtime/cuda_graph.cc), which have no device-generic name: with a CUDA build
# of torch and the toolkit's headers they are there, otherwise `cuda_graphs=True` warns.
if(EXISTS ${SAFEASR_TORCH_LIB_DIR}/libtorch_cuda.so)
  file(GLOB cuda_includes ${torch_dir}/../nvidia/cu*/include)
  list(APPEND cuda_includes $ENV{CUDA_HOME}/include /usr/local/cuda/include)
  find_path(SAFEASR_CUDA_INCLUDE cuda_runtime_api.h HINTS ${cuda_includes})
  # What torch installs beside itself leaves these out; they have a wheel of their own.
  find_path(SAFEASR_CUDA_CRT_INCLUDE crt/host_config.h
    HINTS ${SAFEASR_CUDA_INCLUDE} ${cuda_includes})
  if(SAFEASR_CUDA_INCLUDE AND SAFEASR_CUDA_CRT_INCLUDE)
    # Of two places they need not fit together.
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_INCLUDES ${torch_dir}/include ${SAFEASR_CUDA_INCLUDE}
      ${SAFEASR_CUDA_CRT_INCLUDE})
    set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
    if(SAFEASR_TORCH_VERSION VERSION_GREATER_EQUAL 2.14)
      set(CMAKE_REQUIRED_FLAGS -std=c++20)
    endif()
    check_cxx_source_compiles("#include <ATen/cuda/CUDAGraph.h>" SAFEASR_CUDA_HEADERS_COMPILE)
    unset(CMAKE_REQUIRED_INCLUDES)
    unset(CMAKE_REQUIRED_FLAGS)
    unset(CMAKE_TRY_COMPILE_TARGET_TYPE)
  endif()
  if(SAFEASR_CUDA_HEADERS_COMPILE)
    message(STATUS "CUDA's headers in ${SAFEASR_CUDA_INCLUDE}: with graphs")
    target_compile_definitions(safeasr_torch INTERFACE SAFEASR_CUDA_HEADERS)
    target_include_directories(safeasr_torch SYSTEM INTERFACE
      ${SAFEASR_CUDA_INCLUDE} ${SAFEASR_CUDA_CRT_INCLUDE})
    target_link_libraries(safeasr_torch INTERFACE torch_cuda c10_cuda)
  else()
    message(STATUS "No headers of CUDA that torch's compile with: without graphs. "
      "They are in the toolkit ($CUDA_HOME) and in the wheels nvidia-cuda-runtime and nvidia-cuda-crt")
  endif()
endif()
