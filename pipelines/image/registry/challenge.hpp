#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banger::image {

/// One way of authenticating that a server offers (RFC 9110, section 11.6.1).
struct Challenge {
    std::string scheme;  ///< lower case: "bearer"
    /// Names in lower case, values unquoted, in order.
    std::vector<std::pair<std::string, std::string>> parameters;

    std::optional<std::string> find(std::string_view name) const;
};

/// All challenges of all WWW-Authenticate fields of a response, in order. Takes several challenges
/// in one field, white space around '=', quoted pairs, and token68 credentials; what cannot be read
/// ends the field it stands in, and what was read before it counts.
std::vector<Challenge> parse_challenges(std::span<const std::string> fields);

}  // namespace banger::image
