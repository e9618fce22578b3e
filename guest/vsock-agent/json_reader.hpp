#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace banger::guest {

/// Reads the members of one JSON object without exceptions. A missing member leaves the default;
/// one of the wrong type is remembered as the first error.
///
///     JsonReader in;
///     if (!in.parse(text)) return in.error();
///     in.string("hostname", settings.hostname);
class JsonReader {
  public:
    bool parse(std::string_view text);
    explicit JsonReader(boost::json::object object) : object_(std::move(object)) {}
    JsonReader() = default;

    void string(const char* name, std::string& out);
    void strings(const char* name, std::vector<std::string>& out);
    void boolean(const char* name, bool& out);
    void integer(const char* name, std::int64_t& out);
    /// The member object, or nullptr when it is missing.
    const boost::json::object* object(const char* name);

    bool ok() const { return error_.empty(); }
    const std::string& error() const { return error_; }

  private:
    void wrong(const char* name, const char* expected);

    boost::json::object object_;
    std::string error_;
};

}  // namespace banger::guest
