#include "daemon/api/router.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <set>
#include <utility>

#include "daemon/api/types.hpp"
#include "daemon/operations/failure.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::api {
namespace {

using PathParams = decltype(Request::path_params);

Response refusal(Errc code, std::string message) {
    return error_response(
        http_status(code),
        {.code = std::string(to_string(code)), .message = std::move(message), .op_id = {}});
}

/// What a path parameter may look like, whatever it is compared with later.
struct ParamRule {
    std::string_view name;
    std::string_view thing;
    std::string_view extra_characters;  ///< besides a-z, A-Z, 0-9
    std::size_t max_size;
};
constexpr ParamRule kParamRules[] = {
    {"vm", "VM name or id", "-", 63},       {"image", "image name", "-._:/@+", 512},
    {"kernel", "kernel name", "-._+", 128}, {"catalog", "catalog name", "-._", 128},
    {"id", "operation id", "-", 32},
};

void check_param(std::string_view name, std::string_view value) {
    const auto* rule = std::find_if(std::begin(kParamRules), std::end(kParamRules),
                                    [&](const auto& candidate) { return candidate.name == name; });
    if (rule == std::end(kParamRules)) fail(Errc::internal, "no rule says what a {} may be", name);
    const auto fits = [&](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               rule->extra_characters.find(static_cast<char>(c)) != std::string_view::npos;
    };
    if (value.size() > rule->max_size || !std::all_of(value.begin(), value.end(), fits)) {
        fail(Errc::invalid_argument, "'{}' cannot be a {}", value.substr(0, 64), rule->thing);
    }
}

std::string_view next_segment(std::string_view& pattern) {
    pattern.remove_prefix(1);
    const auto segment = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(segment.size());
    return segment;
}

std::optional<PathParams> match_path(std::string_view pattern,
                                     const std::vector<std::string>& segments) {
    PathParams params;
    for (const auto& segment : segments) {
        if (pattern.empty()) return std::nullopt;
        const auto expected = next_segment(pattern);
        if (expected.starts_with('{')) {
            params.emplace(expected.substr(1, expected.size() - 2), segment);
        } else if (expected != segment) {
            return std::nullopt;
        }
    }
    if (!pattern.empty()) return std::nullopt;
    return params;
}

Response method_not_allowed(const Request& request, const std::set<std::string_view>& allowed) {
    auto response =
        error_response(405, {.code = "unsupported",
                             .message = fmt::format("{} is not possible here, only {}",
                                                    request.method, fmt::join(allowed, ", ")),
                             .op_id = {}});
    response.headers.set("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
    return response;
}

}  // namespace

int http_status(Errc code) {
    switch (code) {
        case Errc::invalid_argument:
            return 400;
        case Errc::unauthorized:
            return 403;
        case Errc::not_found:
            return 404;
        case Errc::already_exists:
        case Errc::conflict:
            return 409;
        case Errc::unsupported:
            return 422;
        case Errc::digest_mismatch:
            return 502;
        case Errc::unavailable:
        case Errc::cancelled:
            return 503;
        case Errc::timed_out:
            return 504;
        case Errc::no_space:
            return 507;
        case Errc::internal:
            return 500;
    }
    return 500;
}

std::variant<const Route*, Response> find_route(std::span<const Route> routes, Request& request) {
    try {
        parse_target(request);
        std::set<std::string_view> allowed;
        for (const auto& route : routes) {
            auto params = match_path(route.pattern, request.segments);
            if (!params) continue;
            allowed.insert(route.method);
            if (route.method != request.method) continue;
            for (const auto& [name, value] : *params)
                check_param(name, value);
            request.path_params = std::move(*params);
            return &route;
        }
        if (!allowed.empty()) return method_not_allowed(request, allowed);
    } catch (const Error& error) {
        return refusal(error.code(), error.what());
    }
    return refusal(Errc::not_found,
                   fmt::format("there is nothing at {}; docs/openapi.yaml lists what is",
                               request.target.substr(0, 200)));
}

Task<std::optional<Response>> run_route(const Route& route, const Request& request,
                                        Services& services, Exchange& exchange,
                                        ByteSource* archive) {
    std::exception_ptr failure;
    try {
        if (const auto* handler = std::get_if<Handler>(&route.handler)) {
            co_return co_await (*handler)(request, services);
        }
        if (const auto* handler = std::get_if<ArchiveHandler>(&route.handler)) {
            co_return co_await (*handler)(request, services, archive);
        }
        co_await std::get<StreamHandler>(route.handler)(request, services, exchange);
        co_return std::nullopt;
    } catch (...) {
        failure = std::current_exception();
    }
    if (exchange.begun()) std::rethrow_exception(failure);
    auto error = operations::describe_failure(failure);
    const int status = http_status(errc_from_string(error.code));
    co_return error_response(status, std::move(error));
}

}  // namespace banger::api
