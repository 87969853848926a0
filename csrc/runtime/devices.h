// Names of devices, as users give them.
#pragma once

#include <ATen/Device.h>

#include <string>
#include <vector>

namespace safeasr::runtime {

// "cpu", "cuda", "cuda:1", or several accelerators of one kind: "cuda:0,cuda:1". An accelerator
// without a number is the current one. Throws std::invalid_argument, naming what is wrong, for
// other names, devices that do not exist, and devices named twice.
std::vector<at::Device> ParseDevices(const std::string& names);

// The device with its number. Throws std::invalid_argument when it does not exist.
at::Device Existing(at::Device device);

// The device that operators of the calling thread use when they are not told.
at::Device CurrentDevice(at::DeviceType type);

}  // namespace safeasr::runtime
