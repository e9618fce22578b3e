#pragma once

#include <string>

namespace banger::guest {

/// Copies a directory with all that is in it: modes, owners, times, symbolic links, extended
/// attributes, device nodes. `to` exists already and gets the attributes of `from`. Hard links
/// become files of their own. 0 or the first -errno, after copying what can be copied.
int copy_tree(const std::string& from, const std::string& to);

/// Mode, owner, times and extended attributes of `from` alone. 0 or -errno.
int copy_own_attributes(const std::string& from, const std::string& to);

}  // namespace banger::guest
