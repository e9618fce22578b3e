#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "daemon/api/http.hpp"
#include "daemon/api/services.hpp"
#include "pipelines/io/byte_source.hpp"
#include "pipelines/io/error.hpp"

namespace banger::api {

/// Answers with one response.
using Handler = Task<Response> (*)(const Request&, Services&);
/// Answers with a stream or a WebSocket.
using StreamHandler = Task<void> (*)(const Request&, Services&, Exchange&);

/// Answers with one response, and may be sent an archive (Content-Type application/x-tar), which it
/// reads as it comes; `archive` is null when something else was sent.
using ArchiveHandler = Task<Response> (*)(const Request&, Services&, ByteSource* archive);

struct Route {
    std::string_view method;
    std::string_view pattern;  ///< "/v1/vms/{vm}/exec"
    std::variant<Handler, StreamHandler, ArchiveHandler> handler;

    /// Whether the request is cancelled when its client goes away: what only reads, and streams.
    /// What changes something runs to its end.
    bool ends_with_client() const {
        return method == "GET" || std::holds_alternative<StreamHandler>(handler);
    }
};

/// The whole API; docs/openapi.yaml lists the same, and a test holds them together.
std::span<const Route> all_routes();

/// The one place where an Errc becomes an HTTP status.
int http_status(Errc code);

/// The route of a request, whose target is parsed and whose path parameters are filled in and
/// checked here; or the answer that says why there is none (400, 404, 405).
std::variant<const Route*, Response> find_route(std::span<const Route> routes, Request& request);

/// Runs the handler. Gives the response to send, nothing when the handler has streamed its own.
/// Errors become responses; those of a stream that has begun are thrown. `archive` is for an
/// ArchiveHandler.
Task<std::optional<Response>> run_route(const Route& route, const Request& request,
                                        Services& services, Exchange& exchange,
                                        ByteSource* archive = nullptr);

}  // namespace banger::api
