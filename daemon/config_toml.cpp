#include "daemon/config_toml.hpp"

#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"

namespace banger {

void fail_at(const std::string& path, const toml::source_region& where,
             const std::string& message) {
    fail(Errc::invalid_argument, "{}:{}: {}", path, where.begin.line, message);
}

toml::table parse_toml(const std::string& text, const std::string& path) {
    try {
        return toml::parse(text, path);
    } catch (const toml::parse_error& error) {
        fail_at(path, error.source(), std::string(error.description()));
    }
}

std::string read_if_present(const std::string& path) {
    return std::filesystem::exists(path) ? read_file(path) : "";
}

}  // namespace banger
