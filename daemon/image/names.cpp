#include "daemon/image/names.hpp"

#include <algorithm>
#include <cctype>

#include "pipelines/io/error.hpp"
#include "pipelines/io/nearest.hpp"

namespace banger {

void check_name(std::string_view kind, std::string_view name) {
    auto ordinary = [](unsigned char c) {
        return std::isalnum(c) || c == '.' || c == '_' || c == '-';
    };
    if (name.empty() || name.size() > 128 ||
        !std::isalnum(static_cast<unsigned char>(name.front())) ||
        !std::ranges::all_of(name, ordinary)) {
        fail(Errc::invalid_argument,
             "'{}' is no name for a {}: use letters, digits, '.', '_' and '-', at most 128", name,
             kind);
    }
    for (const std::string_view mark : {".staging", ".deleted"}) {
        if (name.ends_with(mark)) {
            fail(Errc::invalid_argument, "'{}' is no name for a {}: '{}' marks what is half done",
                 name, kind, mark);
        }
    }
}

void fail_unknown(std::string_view kind, std::string_view name,
                  const std::vector<std::string>& known) {
    if (const auto near = nearest(name, known)) {
        fail(Errc::not_found, "no {} named '{}'; did you mean '{}'?", kind, name, *near);
    }
    if (known.empty()) fail(Errc::not_found, "no {} named '{}'; there are none yet", kind, name);
    fail(Errc::not_found, "no {} named '{}'; see `banger {} list`", kind, name, kind);
}

}  // namespace banger
