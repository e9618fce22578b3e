#pragma once

#include <string>
#include <string_view>

#include "daemon/api/types.hpp"

namespace banger::cli {

/// "[address:]host:guest", or "guest" for the same port on both sides; an IPv6 address stands in
/// brackets; "/tcp" may follow. Throws Error{invalid_argument}.
api::PublishedPort parse_port_spec(std::string_view text);

/// What is published: "[address:]host", or all of parse_port_spec's; the guest's port is not
/// heeded.
api::PublishedPort parse_published(std::string_view text);

}  // namespace banger::cli
