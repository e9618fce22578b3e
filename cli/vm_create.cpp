#include "cli/vm_create.hpp"

#include <chrono>

#include "cli/daemon_start.hpp"
#include "cli/format.hpp"
#include "cli/operation_wait.hpp"
#include "cli/options.hpp"
#include "cli/port_spec.hpp"
#include "cli/registry_login.hpp"
#include "cli/vm_batch.hpp"
#include "daemon/config.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::cli {
namespace {

constexpr auto kDeleteLimit = std::chrono::seconds(60);

Task<void> remove_and_wait(Session& session, std::string id) {
    // It may have died meanwhile, which is no reason to leave the VM.
    co_await ensure_daemon(session);
    const auto answer = co_await session.client.remove(vm_target(id, "?force=true"));
    if (!is_operation(answer)) co_return;
    const auto operation = from_json<api::OperationInfo>(answer);
    const auto ended = co_await session.client.get("/v1/operations/" +
                                                   encode_segment(operation.id) + "?wait=true");
    require_success(from_json<api::OperationInfo>(ended));
}

Task<void> remove_unless_gone(Session& session, std::string id) {
    try {
        co_await remove_and_wait(session, std::move(id));
    } catch (const Error& error) {
        if (error.code() != Errc::not_found) throw;
    }
}

Task<int> second_interrupt(Interrupts& interrupts) {
    co_await interrupts.next();
    say("deleting the VM; press Ctrl-C again to leave at once");
    co_return co_await interrupts.next();
}

}  // namespace

void add_create_flags(CLI::App& command, CreateFlags& flags) {
    auto& request = flags.request;
    command.add_option("--name", request.name, "name of the VM; default: a generated one");
    command.add_option("--image", request.image, "local name, registry reference or oci:PATH:TAG");
    command.add_option("--kernel-ref", request.kernel, "name of a local kernel");
    command.add_option("--vcpu", request.vcpu, "virtual processors");
    add_size_option(command, "--memory", flags.memory_bytes, "memory, such as 2G");
    add_size_option(command, "--disk-size", request.disk_size, "size of the VM's disk");
    command.add_option("--disk-mode", request.disk_mode, "overlay over the image, or a copy of it")
        ->check(CLI::IsMember({"overlay", "copy"}));
    command.add_option("--init", request.init, "who is PID 1")
        ->check(CLI::IsMember({"auto", "image", "banger"}));
    command.add_option("--wait", request.wait, "what to wait for")
        ->check(CLI::IsMember({"agent", "system"}));
    command.add_option("--boot-timeout", request.boot_seconds, "seconds the boot may take");
    command.add_option("--backend", request.backend, "what runs it; default: the fittest")
        ->check(CLI::IsMember({"auto", "firecracker", "qemu"}));
    command.add_option("-p,--publish", flags.publish, "a port of the VM: [address:]host:guest")
        ->allow_extra_args(false);
    command.add_flag("-P,--publish-all", request.publish_all,
                     "whatever the guest listens on, on the VM's own address");
    command.add_flag("--require-kvm", request.require_kvm, "refuse emulation");
}

api::VmCreateRequest make_create_request(const CreateFlags& flags) {
    auto request = flags.request;
    request.keep_unanswered = true;
    if (request.image) request.image = absolute_reference(*request.image);
    if (flags.memory_bytes) {
        request.memory_mib = static_cast<std::uint32_t>(*flags.memory_bytes >> 20);
    }
    if (!flags.publish.empty()) {
        auto& ports = request.publish.emplace();
        for (const auto& spec : flags.publish)
            ports.push_back(parse_port_spec(spec));
    }
    return request;
}

Task<api::VmInfo> create_vm(Session& session, Interrupts& interrupts,
                            api::VmCreateRequest request) {
    const auto image = request.image.value_or(load_config(session.paths.config_file).default_image);
    request.registry_auth = co_await find_auth_for_missing(session, image);
    const auto answer = co_await session.client.post("/v1/vms", to_json(request));
    auto operation = from_json<api::OperationInfo>(answer);
    const auto ended = co_await follow_operation(session, interrupts, std::move(operation));
    const auto vm = from_json<api::VmInfo>(require_success(ended));
    if (interrupts.last() != 0) {
        // It came too late to cancel, but nobody wants the VM any more.
        co_await delete_vm(session, interrupts, vm.id);
        throw Interrupted(interrupts.last(),
                          fmt::format("creation of '{}' was interrupted", vm.name));
    }
    say(session.json ? boost::json::serialize(to_json(vm)) : format_spec(vm));
    co_return vm;
}

Task<void> delete_vm(Session& session, Interrupts& interrupts, std::string id) {
    auto removal =
        with_timeout(kDeleteLimit, remove_unless_gone(session, id),
                     fmt::format("vm '{}' was not deleted within {} s", id, kDeleteLimit.count()));
    const auto first = co_await race(std::move(removal), second_interrupt(interrupts));
    if (first.index() == 1) leave_at_once(std::get<1>(first));
}

}  // namespace banger::cli
