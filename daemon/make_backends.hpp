#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "daemon/config.hpp"
#include "daemon/vm/backends.hpp"
#include "daemon/vm/kvm_probe.hpp"
#include "pipelines/io/task.hpp"

namespace banger {

class BlockingPool;

/// What this host's VMs run by, as the configuration and KVM's verdict have it.
Task<std::unique_ptr<vm::Backends>> make_backends(boost::asio::any_io_executor executor,
                                                  BlockingPool& pool, const Config& config,
                                                  const vm::KvmVerdict& kvm);

}  // namespace banger
