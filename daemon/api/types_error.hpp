#pragma once

// What every refusal carries; see daemon/api/types.hpp.

#include <boost/describe.hpp>
#include <optional>
#include <string>

namespace banger::api {

struct ErrorBody {
    std::string code;  ///< an Errc by name
    std::string message;
    std::optional<std::string> op_id;
};
BOOST_DESCRIBE_STRUCT(ErrorBody, (), (code, message, op_id))

}  // namespace banger::api
