#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

namespace banger {

// Described structs (BOOST_DESCRIBE_STRUCT) to and from JSON.
//
//   /// Every described member; empty std::optional members are left out. Enums by their described name.
//   template <class T> boost::json::value to_json(const T& value);
//   /// Unknown keys are ignored, missing ones keep the member's default, a wrong type throws
//   /// Error{invalid_argument} with the path: `disks[1].path: expected a string`.
//   /// Handles bool, integers (range-checked), double, string, optional, vector, map<string,T>,
//   /// boost::json::value/object, described structs and described enums.
//   template <class T> T from_json(const boost::json::value& value, std::string_view path = {});

/// Throws Error{invalid_argument} naming `what`; depth at most 32, duplicate keys: last wins.
boost::json::value parse_json(std::string_view text, std::string_view what);

}  // namespace banger
