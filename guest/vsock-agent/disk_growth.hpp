#pragma once

namespace banger::guest {

/// Makes the VM's own file system as large as the disk it is on, mounted as it is. Blocks, perhaps
/// for seconds. 0, also when it fills the disk already, or errno.
int grow_vm_disk();

}  // namespace banger::guest
