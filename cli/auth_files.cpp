#include "cli/auth_files.hpp"

#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/base64.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t kMaxFile = 1024 * 1024;
constexpr unsigned kOnlyMine = 0600;

/// An unset variable and an empty one are the same.
std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

std::string below(const std::string& directory, const std::string& name) {
    return directory.empty() ? "" : directory + "/" + name;
}

std::string home(const std::string& name) {
    return below(environment("HOME"), name);
}

std::string runtime_directory() {
    const auto given = environment("XDG_RUNTIME_DIR");
    return given.empty() ? "/run/containers/" + std::to_string(::getuid()) : given + "/containers";
}

std::string configuration_directory() {
    const auto given = environment("XDG_CONFIG_HOME");
    return given.empty() ? home(".config/containers") : given + "/containers";
}

std::string docker_directory() {
    const auto given = environment("DOCKER_CONFIG");
    return given.empty() ? home(".docker") : given;
}

/// As Docker and podman write these files: one tab for each level.
void write_pretty(std::string& out, const json::value& value, int depth) {
    const auto* object = value.if_object();
    if (!object || object->empty()) {
        out += json::serialize(value);
        return;
    }
    const std::string indent(static_cast<std::size_t>(depth) + 1, '\t');
    out += "{\n";
    bool first = true;
    for (const auto& member : *object) {
        out += (first ? "" : ",\n") + indent + json::serialize(json::string(member.key())) + ": ";
        write_pretty(out, member.value(), depth + 1);
        first = false;
    }
    out += "\n" + indent.substr(1) + "}";
}

json::object read_object(const AuthPlace& place) {
    if (!place.exists()) return {};
    const auto text = read_file(place.path, kMaxFile);
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) return {};
    auto value = parse_json(text, place.path);
    if (!value.is_object()) fail(Errc::invalid_argument, "{}: expected an object", place.path);
    return value.get_object();
}

/// Through a symbolic link, of which a home directory's files often are, to the file itself.
void write_object(const AuthPlace& place, const json::object& object) {
    const auto path = fs::weakly_canonical(place.path);
    const bool made = fs::create_directories(path.parent_path());
    if (made) fs::permissions(path.parent_path(), fs::perms::owner_all);
    std::string text;
    write_pretty(text, object, 0);
    write_file_atomically(path, text + "\n", kOnlyMine);
}

json::object& logins_of(json::object& file, const AuthPlace& place) {
    auto& auths = file["auths"];
    if (auths.is_null()) auths.emplace_object();
    if (!auths.is_object())
        fail(Errc::invalid_argument, "{}: auths: expected an object", place.path);
    return auths.get_object();
}

bool erase_names(json::object& logins, const std::string& domain) {
    std::vector<std::string> keys;
    for (const auto& login : logins) {
        const std::string key(login.key());
        if (image::normalized_login_key(key) == domain) keys.push_back(key);
    }
    // Not erase, which moves the last entry into the gap.
    for (const auto& key : keys)
        logins.stable_erase(logins.find(key));
    return !keys.empty();
}

json::object to_entry(const image::Credential& credential) {
    json::object entry;
    if (credential.has_login()) {
        entry["auth"] = base64_encode(credential.username + ":" + credential.password);
    }
    return entry;
}

}  // namespace

bool AuthPlace::exists() const {
    std::error_code error;
    return fs::is_regular_file(path, error);
}

std::vector<AuthPlace> auth_places() {
    std::vector<AuthPlace> places;
    for (const auto& path :
         {environment("REGISTRY_AUTH_FILE"), below(runtime_directory(), "auth.json"),
          below(configuration_directory(), "auth.json")}) {
        if (!path.empty()) places.push_back({path, false});
    }
    if (const auto path = below(docker_directory(), "config.json"); !path.empty()) {
        places.push_back({path, true});
    }
    return places;
}

AuthPlace place_for_login() {
    const auto chosen = environment("REGISTRY_AUTH_FILE");
    if (!chosen.empty()) return {chosen, false};
    for (const auto& place : auth_places()) {
        if (place.exists()) return place;
    }
    const auto directory = configuration_directory();
    if (directory.empty()) fail(Errc::not_found, "HOME is not set: there is no place for a login");
    return {directory + "/auth.json", false};
}

image::AuthFile read_auth_file(const AuthPlace& place) {
    const auto text = read_file(place.path, kMaxFile);
    try {
        return image::parse_auth_file(text);
    } catch (const Error& error) {
        fail(error.code(), "{}: {}", place.path, error.what());
    }
}

void write_login(const AuthPlace& place, const std::string& domain,
                 const image::Credential& credential) {
    auto file = read_object(place);
    auto& logins = logins_of(file, place);
    erase_names(logins, domain);
    logins[place.is_docker ? image::docker_key(domain) : domain] = to_entry(credential);
    write_object(place, file);
}

bool erase_login(const AuthPlace& place, const std::string& domain) {
    auto file = read_object(place);
    if (!file.contains("auths") || !erase_names(logins_of(file, place), domain)) return false;
    write_object(place, file);
    return true;
}

}  // namespace banger::cli
