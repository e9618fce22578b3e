#include "cli/session.hpp"

#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>

#include "pipelines/io/error.hpp"

namespace banger::cli {

void print(std::string_view text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (written && std::fflush(stdout) == 0) return;
    if (errno != EPIPE) fail_errno(errno, "cannot write to standard output");
}

void print_json(const boost::json::value& value) {
    print(boost::json::serialize(value) + "\n");
}

void say(std::string_view text) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
}

}  // namespace banger::cli
