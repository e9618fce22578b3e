#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banger::vm {

/// A VM's name is its host name too: a DNS label (RFC 1123) in lower case. Throws
/// Error{invalid_argument} saying what is wrong.
void check_vm_name(std::string_view name);

/// A name that is not in `taken`: "brisk-otter".
std::string generate_vm_name(const std::vector<std::string>& taken);

/// 12 random hex digits.
std::string generate_vm_id();
/// Whether that is what generate_vm_id() makes. Files are removed by such names alone.
bool is_vm_id(std::string_view id);

}  // namespace banger::vm
