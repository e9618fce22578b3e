#include "pipelines/image/registry/auth_file.hpp"

#include <algorithm>
#include <boost/describe.hpp>
#include <cctype>

#include "pipelines/io/base64.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::image {
namespace {

constexpr std::string_view kHub = "docker.io";
constexpr std::string_view kHubKey = "https://index.docker.io/v1/";
/// The user that stands for "the secret is an identity token".
constexpr std::string_view kTokenUser = "<token>";

// The file as it is spelled.
struct WireLogin {
    std::string auth, username, password, identitytoken, registrytoken;
};
BOOST_DESCRIBE_STRUCT(WireLogin, (), (auth, username, password, identitytoken, registrytoken))

struct WireFile {
    std::map<std::string, WireLogin> auths;
    std::map<std::string, std::string> credHelpers;
    std::string credsStore;
};
BOOST_DESCRIBE_STRUCT(WireFile, (), (auths, credHelpers, credsStore))

struct WireAnswer {
    std::string ServerURL, Username, Secret;
};
BOOST_DESCRIBE_STRUCT(WireAnswer, (), (ServerURL, Username, Secret))

/// "user:password" in base64; old writers left NULs behind it.
void read_auth(const std::string& auth, const std::string& key, Credential& credential) {
    auto text = base64_decode(auth);
    const auto colon = text ? text->find(':') : std::string::npos;
    if (colon == std::string::npos) {
        fail(Errc::invalid_argument, "auths.{}.auth: expected user:password in base64", key);
    }
    credential.username = text->substr(0, colon);
    credential.password = text->substr(colon + 1);
    while (credential.password.ends_with('\0'))
        credential.password.pop_back();
}

Credential to_credential(const WireLogin& wire, const std::string& key) {
    Credential credential{wire.username, wire.password, wire.identitytoken, wire.registrytoken};
    if (!wire.auth.empty()) read_auth(wire.auth, key, credential);
    return credential;
}

void strip_end(std::string& text, std::string_view end) {
    if (text.ends_with(end)) text.resize(text.size() - end.size());
}

}  // namespace

AuthFile parse_auth_file(std::string_view text) {
    if (text.find_first_not_of(" \t\r\n") == text.npos) return {};
    const auto wire = from_json<WireFile>(parse_json(text, "the file"));
    AuthFile file;
    for (const auto& [key, login] : wire.auths)
        file.logins.emplace_back(key, to_credential(login, key));
    file.helpers = wire.credHelpers;
    file.default_helper = wire.credsStore;
    return file;
}

std::vector<std::string> login_names(const std::string& domain, const std::string& path) {
    std::vector<std::string> names;
    auto name = domain + (path.empty() ? "" : "/" + path);
    for (; name.size() > domain.size(); name.resize(name.rfind('/')))
        names.push_back(name);
    names.push_back(domain);
    return names;
}

std::string normalized_login_key(std::string_view key) {
    const auto scheme = key.find("://");
    std::string name(scheme == key.npos ? key : key.substr(scheme + 3));
    // With a scheme only the host counts, as for Docker, which knows no namespaces.
    if (scheme != key.npos) name = name.substr(0, name.find('/'));
    strip_end(name, "/");
    strip_end(name, "/v1");
    strip_end(name, "/v2");
    const auto host = name.substr(0, name.find('/'));
    if (host == "index.docker.io" || host == "registry-1.docker.io") {
        name = std::string(kHub) + name.substr(host.size());
    }
    return name;
}

std::optional<Credential> find_login(const AuthFile& file, const std::vector<std::string>& names) {
    for (const auto& name : names) {
        const auto exact = std::ranges::find_if(file.logins, [&](const auto& login) {
            return login.first == name && !login.second.empty();
        });
        if (exact != file.logins.end()) return exact->second;
        const auto same = std::ranges::find_if(file.logins, [&](const auto& login) {
            return normalized_login_key(login.first) == name && !login.second.empty();
        });
        if (same != file.logins.end()) return same->second;
    }
    return std::nullopt;
}

std::optional<HelperCall> find_helper(const AuthFile& file, const std::string& domain) {
    HelperCall call;
    std::string name = file.default_helper;
    call.server = docker_key(domain);
    for (const auto& [key, helper] : file.helpers) {
        if (normalized_login_key(key) != domain) continue;
        name = helper;
        call.server = key;
    }
    if (name.empty()) return std::nullopt;
    const bool plain = std::ranges::all_of(
        name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
    if (!plain) {
        fail(Errc::invalid_argument,
             "'{}' is no name of a credential helper: letters, digits, '_' "
             "and '-' are possible",
             name);
    }
    call.program = "docker-credential-" + name;
    return call;
}

std::string docker_key(const std::string& domain) {
    return domain == kHub ? std::string(kHubKey) : domain;
}

Credential parse_helper_answer(std::string_view text) {
    const auto answer = from_json<WireAnswer>(parse_json(text, "the answer"));
    Credential credential;
    if (answer.Username == kTokenUser) {
        credential.identity_token = answer.Secret;
    } else {
        credential.username = answer.Username;
        credential.password = answer.Secret;
    }
    return credential;
}

}  // namespace banger::image
