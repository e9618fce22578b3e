#include "daemon/api/routes.hpp"
#include "daemon/image/image_service.hpp"
#include "pipelines/io/error.hpp"

namespace banger::api {

Task<Response> check_registry(const Request& request, Services& services) {
    const auto wanted = parse_body<RegistryCheckRequest>(request);
    if (wanted.registry.empty()) {
        fail(Errc::invalid_argument, "registry: expected a host such as quay.io");
    }
    co_await services.images.check_registry(wanted);
    co_return json_response(to_json(RegistryCheck{.registry = wanted.registry}));
}

}  // namespace banger::api
