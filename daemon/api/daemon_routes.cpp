#include <unistd.h>

#include <algorithm>

#include "daemon/api/doctor.hpp"
#include "daemon/api/metrics.hpp"
#include "daemon/api/routes.hpp"
#include "daemon/api/version.hpp"
#include "daemon/config.hpp"
#include "daemon/operations/operations.hpp"
#include "daemon/paths.hpp"
#include "daemon/vm/vm_service.hpp"

namespace banger::api {
namespace {

Task<DaemonInfo> daemon_info(Services& services) {
    const auto vms = co_await services.vms.list();
    const auto running =
        std::count_if(vms.begin(), vms.end(), [](const auto& vm) { return vm.state == "running"; });
    co_return DaemonInfo{
        .version = version(),
        .pid = ::getpid(),
        .socket = services.paths.socket(),
        .state_dir = services.paths.state,
        .cache_dir = services.paths.cache,
        .started_at = services.started_at,
        .writer = services.writer,
        .default_image = services.config.default_image,
        .default_kernel = services.config.default_kernel,
        .vms_running = static_cast<std::uint32_t>(running),
        .operations_running = static_cast<std::uint32_t>(services.operations.running())};
}

}  // namespace

Task<Response> get_version(const Request&, Services&) {
    co_return json_response(to_json(VersionInfo{.version = version(), .api = "v1"}));
}

Task<Response> get_daemon(const Request&, Services& services) {
    co_return json_response(to_json(co_await daemon_info(services)));
}

Task<Response> stop_daemon(const Request&, Services& services) {
    const auto info = co_await daemon_info(services);
    services.request_stop();
    co_return json_response(to_json(info), 202);
}

Task<Response> get_doctor(const Request&, Services& services) {
    co_return json_response(to_json(co_await examine(services)));
}

Task<Response> get_metrics(const Request&, Services& services) {
    const auto vms = co_await services.vms.list();
    co_return Response{.status = 200,
                       .content_type = "text/plain; version=0.0.4; charset=utf-8",
                       .body = metrics_text(vms, services.operations.list()),
                       .headers = {}};
}

}  // namespace banger::api
