#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banger {

/// What a VM may be called by.
struct VmKey {
    std::string id;
    std::string name;
};

/// The id that `ref` stands for: a name, an id, or a prefix of at least 4 digits of exactly one id.
/// A name goes before a prefix. Throws Error{not_found} with the nearest name, or
/// Error{invalid_argument} for a prefix of several.
std::string resolve_vm_ref(std::string_view ref, const std::vector<VmKey>& vms);

}  // namespace banger
