#include "daemon/api/routes.hpp"
#include "daemon/operations/operations.hpp"
#include "pipelines/io/error.hpp"

namespace banger::api {
namespace {

Response operation_response(const Services& services, const std::string& id, int status) {
    const auto info = services.operations.find(id);
    if (!info) fail(Errc::not_found, "no operation {}", id);
    return json_response(to_json(*info), status);
}

}  // namespace

Task<Response> list_operations(const Request&, Services& services) {
    co_return json_response(to_json(services.operations.list()));
}

Task<Response> show_operation(const Request& request, Services& services) {
    const auto& id = request.param("id");
    if (request.query_flag("wait")) co_await services.operations.wait(id);
    co_return operation_response(services, id, 200);
}

Task<Response> cancel_operation(const Request& request, Services& services) {
    const auto& id = request.param("id");
    services.operations.cancel(id);
    co_return operation_response(services, id, 202);
}

}  // namespace banger::api
