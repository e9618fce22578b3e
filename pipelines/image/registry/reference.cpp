#include "pipelines/image/registry/reference.hpp"

#include <algorithm>
#include <cctype>

#include "pipelines/image/registry/auth_file.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::string_view kOfficialPrefix = "library/";
constexpr std::string_view kLayoutPrefix = "oci:";
constexpr std::string_view kOciArchivePrefix = "oci-archive:";
constexpr std::string_view kDockerArchivePrefix = "docker-archive:";
constexpr std::string_view kStandardInput = "-";
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxTag = 128;
constexpr std::size_t kMaxFriendlyName = 63;

bool is_lower_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_alnum(char c) {
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

bool is_word(char c) {
    return is_alnum(c) || c == '_';
}

bool all_of(std::string_view text, auto&& predicate) {
    return std::all_of(text.begin(), text.end(), predicate);
}

bool is_hex(char c) {
    return std::isxdigit(static_cast<unsigned char>(c)) != 0;
}

bool is_domain_component(std::string_view text) {
    return !text.empty() && is_alnum(text.front()) && is_alnum(text.back()) &&
           all_of(text, [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_host(std::string_view host) {
    if (host.starts_with('[')) {
        return host.size() > 2 && host.ends_with(']') &&
               all_of(host.substr(1, host.size() - 2),
                      [](char c) { return is_hex(c) || c == ':'; });
    }
    for (;;) {
        const auto dot = host.find('.');
        if (!is_domain_component(host.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        host.remove_prefix(dot + 1);
    }
}

bool is_domain(std::string_view domain) {
    const auto bracket = domain.find(']');
    const auto colon = domain.find(':', bracket == std::string_view::npos ? 0 : bracket);
    if (colon == std::string_view::npos) return is_host(domain);
    const auto port = domain.substr(colon + 1);
    return is_host(domain.substr(0, colon)) && !port.empty() &&
           all_of(port, [](char c) { return c >= '0' && c <= '9'; });
}

/// What may stand between two runs of letters and digits: '.', '_', "__", or any number of '-'.
bool is_separator(std::string_view text) {
    return text == "." || text == "_" || text == "__" ||
           (!text.empty() && all_of(text, [](char c) { return c == '-'; }));
}

bool is_path_component(std::string_view text) {
    while (true) {
        const auto run = std::find_if_not(text.begin(), text.end(), is_lower_alnum) - text.begin();
        if (run == 0) return false;
        text.remove_prefix(static_cast<std::size_t>(run));
        if (text.empty()) return true;
        const auto gap = std::find_if(text.begin(), text.end(), is_lower_alnum) - text.begin();
        if (!is_separator(text.substr(0, static_cast<std::size_t>(gap)))) return false;
        text.remove_prefix(static_cast<std::size_t>(gap));
    }
}

bool is_path(std::string_view path) {
    for (;;) {
        const auto slash = path.find('/');
        if (!is_path_component(path.substr(0, slash))) return false;
        if (slash == std::string_view::npos) return true;
        path.remove_prefix(slash + 1);
    }
}

bool is_tag(std::string_view tag) {
    return !tag.empty() && tag.size() <= kMaxTag && is_word(tag.front()) &&
           all_of(tag, [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

bool has_upper(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

/// The first component is a domain when nothing else can look like it.
bool names_domain(std::string_view first) {
    return first == "localhost" || first.find_first_of(".:") != std::string_view::npos ||
           has_upper(first);
}

/// Cuts the tag off: the last ':' after the last '/'.
std::string_view take_tag(std::string_view& name) {
    const auto slash = name.rfind('/');
    const auto colon = name.rfind(':');
    if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash)) {
        return {};
    }
    const auto tag = name.substr(colon);
    name.remove_suffix(tag.size());
    return tag;
}

void split_domain(std::string_view name, Reference& out) {
    const auto slash = name.find('/');
    if (slash != std::string_view::npos && names_domain(name.substr(0, slash))) {
        out.domain = name.substr(0, slash);
        out.path = name.substr(slash + 1);
    } else {
        out.domain = kDefaultDomain;
        out.path = name;
    }
    if (out.domain == "index.docker.io") out.domain = kDefaultDomain;
    if (out.domain == kDefaultDomain && out.path.find('/') == std::string::npos) {
        out.path.insert(0, kOfficialPrefix);
    }
}

void check_name(std::string_view text, const Reference& reference) {
    const auto complain = [&](std::string_view why) {
        fail(Errc::invalid_argument, "malformed image reference '{}': {}", text, why);
    };
    if (has_upper(reference.path)) complain("the repository name must be lower case");
    if (!is_domain(reference.domain)) {
        complain(fmt::format("'{}' is no host name", reference.domain));
    }
    if (!is_path(reference.path)) {
        complain(
            "a repository name is lower case letters and digits, separated by '.', '_', '__', "
            "'-' or '/'");
    }
    if (reference.domain.size() + 1 + reference.path.size() > kMaxName) {
        complain(fmt::format("the name is longer than {} characters", kMaxName));
    }
}

void check_source_path(std::string_view path, std::string_view text, std::string_view thing,
                       std::string_view prefix, std::string_view name) {
    if (!path.empty() && path.find('\0') == std::string_view::npos) return;
    fail(Errc::invalid_argument, "'{}' names no {}; write {}PATH or {}PATH:{}", text, thing, prefix,
         prefix, name);
}

/// Where an "oci:PATH:TAG" has its tag: after the last ':' that is followed by no '/'.
LayoutReference parse_layout(std::string_view text) {
    auto path = text.substr(kLayoutPrefix.size());
    auto tag = take_tag(path);
    if (!tag.empty()) tag.remove_prefix(1);
    check_source_path(path, text, "directory", kLayoutPrefix, "TAG");
    return {std::string(path), std::string(tag)};
}

ArchiveReference parse_oci_archive(std::string_view text) {
    auto path = text.substr(kOciArchivePrefix.size());
    auto tag = take_tag(path);
    if (!tag.empty()) tag.remove_prefix(1);
    check_source_path(path, text, "file", kOciArchivePrefix, "TAG");
    return {ArchiveReference::Kind::oci, std::string(path), std::string(tag)};
}

/// The name within may have slashes and colons of its own, so the path ends at the first colon.
ArchiveReference parse_docker_archive(std::string_view text) {
    const auto rest = text.substr(kDockerArchivePrefix.size());
    const auto path = rest.substr(0, rest.find(':'));
    check_source_path(path, text, "file", kDockerArchivePrefix, "IMAGE");
    ArchiveReference reference{ArchiveReference::Kind::docker, std::string(path), {}};
    if (path.size() < rest.size()) {
        reference.name = parse_reference(rest.substr(path.size() + 1)).to_string();
    }
    return reference;
}

std::string clean_name(std::string_view text) {
    std::string name;
    for (char c : text) {
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        const bool allowed = is_lower_alnum(c) || c == '.' || c == '_' || c == '-';
        name += allowed ? c : '-';
    }
    const auto first = std::find_if(name.begin(), name.end(), is_lower_alnum);
    name.erase(name.begin(), first);
    name.resize(std::min(name.size(), kMaxFriendlyName));
    while (!name.empty() && !is_lower_alnum(name.back()))
        name.pop_back();
    return name.empty() ? "image" : name;
}

std::string_view last_component(std::string_view path) {
    while (path.ends_with('/'))
        path.remove_suffix(1);
    return path.substr(path.rfind('/') + 1);
}

/// "app" for "/tmp/app.tar.gz"
std::string_view stem_of_archive(std::string_view path) {
    auto name = last_component(path);
    for (const std::string_view ending : {".gz", ".zst", ".tgz", ".tar"}) {
        if (name.ends_with(ending)) name.remove_suffix(ending.size());
    }
    return name;
}

std::string friendly_archive_name(const ArchiveReference& archive) {
    if (archive.kind == ArchiveReference::Kind::docker && !archive.name.empty()) {
        return friendly_name(parse_reference(archive.name));
    }
    const std::string name(stem_of_archive(archive.path));
    return clean_name(archive.name.empty() ? name : name + "-" + archive.name);
}

}  // namespace

std::string Reference::to_string() const {
    std::string text = domain + "/" + path;
    if (!tag.empty()) text += ":" + tag;
    if (digest) text += "@" + digest->to_string();
    return text;
}

std::string Reference::api_host() const {
    return domain == kDefaultDomain ? "registry-1.docker.io" : domain;
}

std::string LayoutReference::to_string() const {
    return std::string(kLayoutPrefix) + path + (tag.empty() ? "" : ":" + tag);
}

std::string ArchiveReference::to_string() const {
    if (kind == Kind::any) return path;
    const auto prefix = kind == Kind::oci ? kOciArchivePrefix : kDockerArchivePrefix;
    return std::string(prefix) + path + (name.empty() ? "" : ":" + name);
}

Reference parse_reference(std::string_view text) {
    if (text.empty()) fail(Errc::invalid_argument, "the image reference is empty");
    if (text.size() == 64 &&
        all_of(text, [](char c) { return is_hex(c) && !has_upper({&c, 1}); })) {
        fail(
            Errc::invalid_argument,
            "malformed image reference '{}': 64 hex digits name no repository; write NAME@sha256:…",
            text);
    }
    Reference reference;
    auto name = text;
    if (const auto at = name.find('@'); at != std::string_view::npos) {
        reference.digest = parse_digest(name.substr(at + 1));
        name = name.substr(0, at);
    }
    const auto tag = take_tag(name);
    if (!tag.empty() && !is_tag(tag.substr(1))) {
        fail(
            Errc::invalid_argument,
            "malformed image reference '{}': a tag is at most {} letters, digits, '_', '.' and '-'",
            text, kMaxTag);
    }
    reference.tag = tag.empty() ? tag : tag.substr(1);
    split_domain(name, reference);
    check_name(text, reference);
    if (reference.tag.empty() && !reference.digest) reference.tag = "latest";
    return reference;
}

std::string parse_registry(std::string_view text) {
    auto domain = normalized_login_key(text);
    if (!is_domain(domain)) {
        fail(Errc::invalid_argument, "'{}' is no name of a registry: expected host or host:port",
             text);
    }
    return domain;
}

SourceReference parse_source(std::string_view text) {
    if (text.starts_with(kLayoutPrefix)) return parse_layout(text);
    if (text.starts_with(kOciArchivePrefix)) return parse_oci_archive(text);
    if (text.starts_with(kDockerArchivePrefix)) return parse_docker_archive(text);
    if (text == kStandardInput) return ArchiveReference{.path = std::string(text), .name = {}};
    return parse_reference(text);
}

std::string to_string(const SourceReference& source) {
    return std::visit([](const auto& reference) { return reference.to_string(); }, source);
}

std::string friendly_name(const SourceReference& source) {
    if (const auto* layout = std::get_if<LayoutReference>(&source)) {
        const std::string name(last_component(layout->path));
        return clean_name(layout->tag.empty() ? name : name + "-" + layout->tag);
    }
    if (const auto* archive = std::get_if<ArchiveReference>(&source)) {
        return friendly_archive_name(*archive);
    }
    const auto& reference = std::get<Reference>(source);
    const std::string name(last_component(reference.path));
    if (!reference.tag.empty()) return clean_name(name + "-" + reference.tag);
    return clean_name(name + "-" + reference.digest->short_hex());
}

}  // namespace banger::image
