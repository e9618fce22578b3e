#pragma once

#include <string>
#include <vector>

namespace banger::guest {

/// Loads kernel modules from the initramfs in the order given; a module that is loaded already, or
/// built in, is fine. What fails is said in the kernel log and is not the end: the disk may come
/// without it.
void load_modules(const std::vector<std::string>& files);

}  // namespace banger::guest
