#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace banger {

/// How many single edits (insert, delete, replace, swap of neighbours) lead from one to the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The name that `wanted` was most likely meant to be: the one of least edit distance, or one that
/// `wanted` begins. Nothing when none is near (more than a third of it would have to change).
std::optional<std::string> nearest(std::string_view wanted, const std::vector<std::string>& names);

/// "; did you mean 'debian-bookworm'?", or nothing: the end of a not-found message.
std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& names);

}  // namespace banger
