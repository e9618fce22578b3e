#pragma once

#include <string>
#include <vector>

namespace banger::cli {

/// What `vm ssh` needs to know to become ssh(1).
struct SshPlan {
    std::string vm;                    ///< its name
    std::string user;                  ///< in the guest
    std::string program;               ///< our own, for the ProxyCommand
    std::string key;                   ///< file of the private key
    std::string known_hosts;           ///< file with the VM's host key, under ssh_host_alias(vm)
    std::vector<std::string> command;  ///< empty: a shell
};

/// The name under which ssh knows the VM's host key: no host of that name is ever looked up.
std::string ssh_host_alias(const std::string& vm);

/// Arguments of ssh(1), with its name first. It speaks to an sshd that the ProxyCommand starts in
/// the guest, so neither a port nor a network is needed. The command reaches the guest's shell
/// quoted: its words are the words given here.
std::vector<std::string> ssh_arguments(const SshPlan& plan);

/// For a POSIX shell: one word, whatever is in it.
std::string shell_quote(const std::string& word);

}  // namespace banger::cli
