#include "daemon/make_backends.hpp"

#include "daemon/vm/qemu_backend.hpp"
#include "daemon/vm/tsc_clock.hpp"
#include "pipelines/io/blocking_pool.hpp"

namespace banger {

Task<std::unique_ptr<vm::Backends>> make_backends(boost::asio::any_io_executor executor,
                                                  BlockingPool& pool, const Config& config,
                                                  const vm::KvmVerdict& kvm) {
    auto backends = std::make_unique<vm::Backends>(kvm.reason);
    vm::QemuOptions qemu{.binary = config.qemu, .kvm = kvm.usable, .tsc_khz = {}};
    if (!qemu.kvm) {
        qemu.tsc_khz =
            co_await run_blocking(pool, [](std::stop_token) { return vm::tsc_khz_blocking(); });
    }
    backends->add(vm::make_qemu_backend(executor, std::move(qemu)));
    co_return backends;
}

}  // namespace banger
