#include "daemon/api/operation_response.hpp"
#include "daemon/api/routes.hpp"
#include "daemon/image/kernel_service.hpp"
#include "pipelines/io/error.hpp"

namespace banger::api {
namespace {

Task<boost::json::value> import(kernel::KernelService& kernels, KernelImportRequest wanted,
                                ProgressSink progress) {
    co_return to_json(co_await kernels.import(std::move(wanted), std::move(progress)));
}

Task<boost::json::value> pull(kernel::KernelService& kernels, KernelPullRequest wanted,
                              ProgressSink progress) {
    co_return to_json(co_await kernels.pull(std::move(wanted), std::move(progress)));
}

}  // namespace

Task<Response> list_kernels(const Request&, Services& services) {
    co_return json_response(to_json(co_await services.kernels.list()));
}

Task<Response> import_kernel(const Request& request, Services& services) {
    const auto wanted = parse_body<KernelImportRequest>(request);
    if (wanted.name.empty()) fail(Errc::invalid_argument, "name: expected a name for the kernel");
    if (wanted.from_directory.has_value() == wanted.from_deb.has_value()) {
        fail(Errc::invalid_argument, "expected exactly one of from_directory and from_deb");
    }
    auto work = [&kernels = services.kernels, wanted](ProgressSink progress) {
        return import(kernels, wanted, std::move(progress));
    };
    co_return start_operation(request, services, "kernel.import", wanted.name, std::move(work));
}

Task<Response> pull_kernel(const Request& request, Services& services) {
    const auto wanted = parse_body<KernelPullRequest>(request);
    if (wanted.name.empty()) fail(Errc::invalid_argument, "name: expected a kernel's name");
    auto work = [&kernels = services.kernels, wanted](ProgressSink progress) {
        return pull(kernels, wanted, std::move(progress));
    };
    co_return start_operation(request, services, "kernel.pull", wanted.name, std::move(work));
}

Task<Response> show_kernel(const Request& request, Services& services) {
    co_return json_response(to_json(co_await services.kernels.show(request.param("kernel"))));
}

Task<Response> delete_kernel(const Request& request, Services& services) {
    co_await services.kernels.remove(request.param("kernel"), request.query_flag("force"));
    co_return Response{.status = 204, .content_type = {}, .body = {}, .headers = {}};
}

}  // namespace banger::api
