#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace banger::guest {

/// Who a process runs as.
struct User {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;
    std::string home = "/";
    std::vector<gid_t> groups;  ///< supplementary
};

/// Resolves "", "name", "uid", "name:group" or "uid:gid" against the texts of /etc/passwd and
/// /etc/group, which may be empty. By own parser: the agent is static, glibc's would want NSS
/// modules. False: `error` names what is not there. A bare number needs no entry.
bool resolve_user(std::string_view spec, std::string_view passwd, std::string_view group,
                  User& user, std::string& error);

}  // namespace banger::guest
