#include "daemon/make_backends.hpp"

#include <optional>
#include <utility>

#include "daemon/process_setup.hpp"
#include "daemon/vm/firecracker_backend.hpp"
#include "daemon/vm/qemu_backend.hpp"
#include "daemon/vm/tsc_clock.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/find_program.hpp"

namespace banger {
namespace {

/// Asks for the version; says why no VM starts by it, if none does.
Task<std::string> examine_firecracker(vm::FirecrackerOptions& options, const vm::KvmVerdict& kvm) {
    if (!kvm.usable) co_return "it needs kvm; " + kvm.reason;
    if (!find_program(options.binary)) {
        co_return fmt::format("no program '{}'; the setting firecracker names it", options.binary);
    }
    if (!options.network) {
        co_return "its vms need slirp4netns or pasta (package passt) for their network";
    }
    try {
        options.version = co_await vm::ask_firecracker_version(options.binary);
    } catch (const Error& error) {
        co_return error.what();
    }
    co_return "";
}

/// Nothing carries frames without the launcher: QEMU has a network of its own, then.
std::optional<vm::UserNetwork> if_launched(std::optional<vm::UserNetwork> network) {
    return find_program(find_launcher()) ? std::move(network) : std::nullopt;
}

Task<vm::QemuOptions> qemu_options(BlockingPool& pool, const Config& config, bool kvm) {
    vm::QemuOptions options{.binary = config.qemu,
                            .kvm = kvm,
                            .tsc_khz = {},
                            .launcher = find_launcher(),
                            .network = if_launched(vm::find_socket_network())};
    if (!kvm) {
        options.tsc_khz =
            co_await run_blocking(pool, [](std::stop_token) { return vm::tsc_khz_blocking(); });
    }
    co_return options;
}

}  // namespace

Task<std::unique_ptr<vm::Backends>> make_backends(boost::asio::any_io_executor executor,
                                                  BlockingPool& pool, const Config& config,
                                                  const vm::KvmVerdict& kvm) {
    auto backends = std::make_unique<vm::Backends>(kvm.reason);
    vm::FirecrackerOptions firecracker{.binary = config.firecracker,
                                       .launcher = find_launcher(),
                                       .network = if_launched(vm::find_tap_network())};
    auto unfit = co_await examine_firecracker(firecracker, kvm);
    backends->add(vm::make_firecracker_backend(executor, std::move(firecracker)), std::move(unfit));
    auto qemu = co_await qemu_options(pool, config, kvm.usable);
    backends->add(vm::make_qemu_backend(executor, std::move(qemu)));
    co_return backends;
}

}  // namespace banger
