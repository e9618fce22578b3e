#include "daemon/vm/vm_names.hpp"

#include <algorithm>
#include <array>
#include <random>

#include "pipelines/io/error.hpp"

namespace banger::vm {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::size_t kIdDigits = 12;

constexpr std::array kAdjectives{
    "able",   "amber",  "bold",   "brave", "bright", "brisk",  "calm",   "clever", "cosy",
    "crisp",  "daring", "eager",  "fair",  "fleet",  "fond",   "gentle", "glad",   "golden",
    "happy",  "hardy",  "jolly",  "keen",  "kind",   "lively", "lucky",  "mellow", "merry",
    "misty",  "neat",   "nimble", "noble", "placid", "plucky", "proud",  "quick",  "quiet",
    "rapid",  "ready",  "royal",  "sharp", "silver", "sleek",  "smart",  "snug",   "spry",
    "steady", "sunny",  "swift",  "tidy",  "witty"};

constexpr std::array kAnimals{
    "badger", "beaver", "bison",  "bobcat", "crane",   "cricket", "curlew", "dingo",  "dolphin",
    "eagle",  "egret",  "falcon", "ferret", "finch",   "fox",     "gecko",  "gibbon", "hare",
    "heron",  "ibex",   "jackal", "jay",    "kestrel", "koala",   "lark",   "lemur",  "lynx",
    "magpie", "marten", "mole",   "moose",  "newt",    "ocelot",  "okapi",  "osprey", "otter",
    "owl",    "panda",  "pika",   "plover", "puffin",  "quail",   "raven",  "robin",  "seal",
    "stoat",  "tapir",  "vole",   "walrus", "wren"};

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::size_t pick(std::size_t below) {
    static std::random_device device;
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(device);
}

}  // namespace

void check_vm_name(std::string_view name) {
    bool characters =
        std::ranges::all_of(name, [](char c) { return is_letter_or_digit(c) || c == '-'; });
    if (name.empty() || name.size() > 63 || !characters || name.front() == '-' ||
        name.back() == '-') {
        fail(Errc::invalid_argument,
             "'{}' is no name for a vm: use 1 to 63 of a-z, 0-9 and '-', with no '-' at the ends",
             name.substr(0, 80));
    }
}

std::string generate_vm_name(const std::vector<std::string>& taken) {
    for (;;) {
        auto name = std::string(kAdjectives[pick(kAdjectives.size())]) + "-" +
                    kAnimals[pick(kAnimals.size())];
        // Beyond some hundred VMs pairs run out: a number keeps the search short.
        if (taken.size() > 500) name += "-" + std::to_string(pick(100'000));
        if (std::ranges::find(taken, name) == taken.end()) return name;
    }
}

std::string generate_vm_id() {
    std::string id;
    while (id.size() < kIdDigits)
        id += kHexDigits[pick(kHexDigits.size())];
    return id;
}

bool is_vm_id(std::string_view id) {
    return id.size() == kIdDigits && id.find_first_not_of(kHexDigits) == std::string_view::npos;
}

}  // namespace banger::vm
