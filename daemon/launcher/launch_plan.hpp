#pragma once

#include <string>
#include <vector>

namespace banger::launcher {

/// How the frames of a guest leave it.
enum class Way {
    tap,     ///< the VMM opens the tap kVmmTap, in a user and network namespace of its own
    socket,  ///< the VMM is given one end of a socket as descriptor kVmmSocket
};

inline constexpr char kVmmTap[] = "vm0";
inline constexpr char kEgressTap[] = "egress0";
inline constexpr int kVmmSocket = 3;

/// The command line: WAY LIFE LOG EGRESS… -- VMM…
struct LaunchPlan {
    Way way = Way::tap;
    /// A FIFO that exists. Somebody holds its writing end open for as long as anything of this
    /// launch but the VMM itself is there.
    std::string life;
    std::string log;  ///< what the egress program prints is appended here
    /// The program that carries frames to the world. "{pid}" stands for the VMM's process, whose
    /// namespaces it enters; "{fd}" for its end of the socket.
    std::vector<std::string> egress;
    std::vector<std::string> vmm;
};

/// False when the words are no such command line.
bool parse_plan(int argc, char** argv, LaunchPlan& plan);

/// Takes the VMM's words out of this process's visible command line: it is not the VMM, and whoever
/// looks for that one must not find this.
void hide_vmm_words(int argc, char** argv);

}  // namespace banger::launcher
