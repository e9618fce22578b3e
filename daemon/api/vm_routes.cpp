#include "daemon/api/operation_response.hpp"
#include "daemon/api/routes.hpp"
#include "daemon/vm/vm_service.hpp"
#include "pipelines/io/error.hpp"

namespace banger::api {
namespace {

constexpr std::uint64_t kDefaultLogBytes = 64 * 1024;
constexpr std::uint64_t kMaxLogBytes = 4 * 1024 * 1024;
constexpr std::uint32_t kMaxStopSeconds = 3600;

// What the operations run: plain functions, because a coroutine's arguments live in its own frame.

Task<boost::json::value> create(vm::VmService& vms, VmCreateRequest wanted, ProgressSink progress) {
    co_return to_json(co_await vms.create(std::move(wanted), std::move(progress)));
}

Task<boost::json::value> start(vm::VmService& vms, std::string id, ProgressSink progress) {
    co_return to_json(co_await vms.start(std::move(id), std::move(progress)));
}

Task<boost::json::value> stop(vm::VmService& vms, std::string id, int seconds,
                              ProgressSink progress) {
    co_return to_json(co_await vms.stop(std::move(id), seconds, std::move(progress)));
}

Task<boost::json::value> remove(vm::VmService& vms, std::string id, bool force,
                                ProgressSink progress) {
    co_await vms.remove(std::move(id), force, std::move(progress));
    co_return nullptr;
}

Task<boost::json::value> pause(vm::VmService& vms, std::string id) {
    co_return to_json(co_await vms.pause(std::move(id)));
}

Task<boost::json::value> resume(vm::VmService& vms, std::string id) {
    co_return to_json(co_await vms.resume(std::move(id)));
}

}  // namespace

Task<Response> list_vms(const Request&, Services& services) {
    co_return json_response(to_json(co_await services.vms.list()));
}

Task<Response> create_vm(const Request& request, Services& services) {
    const auto wanted = parse_body<VmCreateRequest>(request);
    auto work = [&vms = services.vms, wanted](ProgressSink progress) {
        return create(vms, wanted, std::move(progress));
    };
    co_return start_operation(request, services, "vm.create", wanted.name.value_or(""),
                              std::move(work));
}

Task<Response> show_vm(const Request& request, Services& services) {
    co_return json_response(to_json(co_await services.vms.show(request.param("vm"))));
}

Task<Response> delete_vm(const Request& request, Services& services) {
    const bool force = request.query_flag("force");
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id, force](ProgressSink progress) {
        return remove(vms, id, force, std::move(progress));
    };
    co_return start_operation(request, services, "vm.delete", vm.name, std::move(work));
}

Task<Response> start_vm(const Request& request, Services& services) {
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id](ProgressSink progress) {
        return start(vms, id, std::move(progress));
    };
    co_return start_operation(request, services, "vm.start", vm.name, std::move(work));
}

Task<Response> stop_vm(const Request& request, Services& services) {
    const auto seconds = parse_body<VmStopRequest>(request).seconds;
    if (seconds > kMaxStopSeconds) {
        fail(Errc::invalid_argument, "seconds: expected at most {}", kMaxStopSeconds);
    }
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id, seconds](ProgressSink progress) {
        return stop(vms, id, static_cast<int>(seconds), std::move(progress));
    };
    co_return start_operation(request, services, "vm.stop", vm.name, std::move(work));
}

Task<Response> pause_vm(const Request& request, Services& services) {
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id](ProgressSink) { return pause(vms, id); };
    co_return start_operation(request, services, "vm.pause", vm.name, std::move(work));
}

Task<Response> resume_vm(const Request& request, Services& services) {
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id](ProgressSink) { return resume(vms, id); };
    co_return start_operation(request, services, "vm.resume", vm.name, std::move(work));
}

Task<Response> get_vm_logs(const Request& request, Services& services) {
    const auto bytes = request.query_number("bytes", kMaxLogBytes).value_or(kDefaultLogBytes);
    auto text = co_await services.vms.serial_log(request.param("vm"), bytes);
    co_return Response{
        .status = 200, .content_type = "text/plain", .body = std::move(text), .headers = {}};
}

}  // namespace banger::api
