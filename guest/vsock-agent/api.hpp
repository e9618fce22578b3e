#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "guest/vsock-agent/agent_info.hpp"
#include "guest/vsock-agent/listeners.hpp"
#include "guest/vsock-agent/loop.hpp"
#include "guest/vsock-agent/system_state.hpp"

namespace banger::guest {

/// Answers one request; an empty body goes out without one. May be called later, from any handler.
using Respond = std::function<void(int status, std::string json)>;

std::string error_body(std::string_view code, std::string_view message);

/// Every request but exec and connect, which are joined to their streams by Session.
class Api {
  public:
    Api(Loop& loop, const AgentInfo& info) : loop_(loop), info_(info), system_(loop) {}

    void handle(std::string_view method, std::string_view path, std::string_view body,
                Respond respond);
    const AgentInfo& info() const { return info_; }

  private:
    void list_listeners(const Respond& respond);
    void health(const Respond& respond);
    /// Runs `work` in a process of its own: a slow disk must not stop the other streams. `done`
    /// gets what it returned, or -1 when there was no process to run it.
    void in_process(int (*work)(), std::function<void(int)> done);
    void grow_disk(const Respond& respond);
    void shut_down(std::string_view body, const Respond& respond);

    Loop& loop_;
    const AgentInfo& info_;
    SystemState system_;
    ListenerTable listeners_;
};

}  // namespace banger::guest
