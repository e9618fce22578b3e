#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "guest/vsock-agent/loop.hpp"
#include "guest/vsock-agent/process.hpp"

namespace banger::guest {

/// Asks systemd how far it is, by `systemctl is-system-running`. One child at a time, however many
/// ask.
class SystemState {
  public:
    using Done = std::function<void(const std::string& state)>;

    explicit SystemState(Loop& loop) : loop_(loop) {}
    /// "running", "degraded", "starting" and so on, see systemctl(1); "starting" while it cannot
    /// say.
    void ask(Done done);

  private:
    void start();
    void read();
    void finish();

    Loop& loop_;
    std::vector<Done> waiting_;
    Process systemctl_;
    std::string output_;
    Loop::TimerId deadline_ = 0;
};

}  // namespace banger::guest
