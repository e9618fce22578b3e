#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include "guest/vsock-agent/agent_info.hpp"
#include "guest/vsock-agent/api.hpp"
#include "guest/vsock-agent/loop.hpp"
#include "guest/vsock-agent/preface.hpp"
#include "guest/vsock-agent/session.hpp"
#include "guest/vsock-agent/transport.hpp"

namespace banger::guest {

/// Keeps the agent reachable for ever: dials, says hello, waits for the client's preface, runs the
/// session, and begins again when the host goes or the protocol breaks.
class Connection {
  public:
    Connection(Loop& loop, Api& api, AgentInfo& info) : loop_(loop), api_(api), info_(info) {}

    void start() { dial(); }
    /// Runs over a descriptor that is open already, as a test does. Takes it over.
    void adopt(Transport transport);

  private:
    using Clock = std::chrono::steady_clock;

    void dial();
    void redial();
    void on_event();
    /// False when the host is gone.
    bool read_all();
    bool take(std::string_view bytes);
    bool look_for_preface(std::string_view bytes);
    void say_hello();
    void begin_again();
    void lose_host();
    ssize_t write(std::string_view bytes);

    Loop& loop_;
    Api& api_;
    AgentInfo& info_;
    Transport transport_;
    PrefaceScanner scanner_;
    std::shared_ptr<Session> session_;
    bool greeted_ = false;
    unsigned dials_ = 0;
    Clock::time_point last_hello_;
    Clock::time_point last_read_;
};

}  // namespace banger::guest
