#include "cli/registry_login.hpp"

#include "cli/auth_files.hpp"
#include "cli/credential_helper.hpp"
#include "pipelines/image/registry/reference.hpp"
#include "pipelines/io/error.hpp"

namespace banger::cli {
namespace {

std::optional<std::string> text_or_none(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

Task<std::optional<image::Credential>> ask_or_do_without(image::HelperCall call) {
    try {
        co_return co_await ask_helper(call);
    } catch (const Error& error) {
        say(fmt::format("warning: {}; going on without it", error.what()));
    }
    co_return std::nullopt;
}

Task<std::optional<image::Credential>> find_credential(std::string domain, std::string path) {
    const auto names = image::login_names(domain, path);
    for (const auto& place : auth_places()) {
        if (!place.exists()) continue;
        const auto file = read_auth_file(place);
        if (const auto helper = image::find_helper(file, domain)) {
            auto credential = co_await ask_or_do_without(*helper);
            if (credential && !credential->empty()) co_return credential;
        }
        if (auto credential = image::find_login(file, names)) co_return credential;
    }
    co_return std::nullopt;
}

/// Nullopt when it is none into a registry, or none at all: the daemon says what is wrong with it.
std::optional<image::Reference> registry_reference(const std::string& text) {
    try {
        const auto source = image::parse_source(text);
        const auto* reference = std::get_if<image::Reference>(&source);
        return reference ? std::optional(*reference) : std::nullopt;
    } catch (const Error&) {
        return std::nullopt;
    }
}

Task<bool> has_image(Session& session, std::string image) {
    try {
        co_await session.client.get("/v1/images/" + encode_segment(image));
        co_return true;
    } catch (const Error& error) {
        if (error.code() != Errc::not_found) throw;
    }
    co_return false;
}

}  // namespace

api::RegistryAuth to_registry_auth(const image::Credential& credential) {
    return {.username = text_or_none(credential.username),
            .password = text_or_none(credential.password),
            .identity_token = text_or_none(credential.identity_token),
            .registry_token = text_or_none(credential.registry_token)};
}

Task<std::optional<api::RegistryAuth>> find_registry_auth(std::string reference) {
    const auto parsed = registry_reference(reference);
    if (!parsed) co_return std::nullopt;
    const auto credential = co_await find_credential(parsed->domain, parsed->path);
    if (!credential) co_return std::nullopt;
    co_return to_registry_auth(*credential);
}

Task<std::optional<api::RegistryAuth>> find_auth_for_missing(Session& session, std::string image) {
    if (image.empty() || !registry_reference(image)) co_return std::nullopt;
    if (co_await has_image(session, image)) co_return std::nullopt;
    co_return co_await find_registry_auth(std::move(image));
}

}  // namespace banger::cli
