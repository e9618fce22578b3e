#pragma once

#include <boost/describe.hpp>
#include <string>

#include "pipelines/io/task.hpp"

namespace banger {
class BlockingPool;
}

namespace banger::vm {

struct KvmVerdict {
    bool usable = false;
    std::string reason;  ///< "", or why not: "cannot open /dev/kvm: Permission denied"
};
BOOST_DESCRIBE_STRUCT(KvmVerdict, (), (usable, reason))

/// Whether ordinary guest kernels run on this host's KVM. That /dev/kvm opens proves nothing: on
/// some hosts it interprets what a kernel does, slowly, and dies at the first rare instruction. So
/// a guest of some 40 bytes runs what breaks there (int3 through an interrupt table, xrstor) and a
/// loop, against a deadline of 2 s. Blocks up to that.
KvmVerdict probe_kvm_blocking();

/// The same, remembered in <cache_dir>/kvm-probe.json until the host boots again. What cannot be
/// opened is not remembered: a group membership or a module may come any moment.
Task<KvmVerdict> probe_kvm(BlockingPool& pool, std::string cache_dir);

}  // namespace banger::vm
