#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "daemon/vm/backend.hpp"

namespace banger::vm {

/// The same machine, whose end is only told when what carried its network is gone, too. As it is
/// when MachineSpec::directory has no life_path().
std::unique_ptr<Machine> with_network_end(boost::asio::any_io_executor executor,
                                          std::unique_ptr<Machine> machine,
                                          const std::string& directory);

}  // namespace banger::vm
