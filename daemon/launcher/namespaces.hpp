#pragma once

#include "pipelines/io/unique_fd.hpp"

namespace banger::launcher {

// What a VMM with a tap gets for a network: a user and a network namespace of its own, in which a
// bridge joins the VMM's tap and that of the egress program. The guest's frames go through as they
// are; nothing in the namespace has an address. It all ends with its last process.

/// Enters new namespaces, in which this user is who he was, and makes bridge and tap. Gives up when
/// the host does not let it.
void make_namespaces();

/// Waits for the egress program's tap, until `gone` turns readable (it has ended) or 20 s have
/// passed, and joins it to the bridge. Listens from its making: make it before the program starts.
class EgressTap {
  public:
    EgressTap();
    void join(int gone);

  private:
    UniqueFd news_;
};

}  // namespace banger::launcher
