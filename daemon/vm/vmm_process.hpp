#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <optional>
#include <string>

#include "daemon/vm/backend.hpp"

namespace banger::vm {

// What every backend does with its VMM's process.

/// A VMM that this daemon started.
std::unique_ptr<Machine> make_child_machine(Subprocess process,
                                            std::unique_ptr<MachineControl> control);
/// A VMM that an earlier daemon started; null when it lives no more.
std::unique_ptr<Machine> find_machine(boost::asio::any_io_executor executor,
                                      const MachineHandle& handle,
                                      std::unique_ptr<MachineControl> control);
/// The living process of ours that was given `argument` as a part of one of its arguments.
std::optional<MachineHandle> find_process_with_argument_blocking(const std::string& argument);

}  // namespace banger::vm
