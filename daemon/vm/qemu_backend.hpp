#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "daemon/vm/backend.hpp"
#include "daemon/vm/qemu_argv.hpp"

namespace banger::vm {

/// QEMU: with KVM where that was proved to work (kvm_probe.hpp), else by emulation.
std::unique_ptr<Backend> make_qemu_backend(boost::asio::any_io_executor executor,
                                           QemuOptions options);

}  // namespace banger::vm
