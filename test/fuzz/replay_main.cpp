#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "test/fuzz/fuzz.hpp"

namespace {

/// False for a bad-* input that was taken all the same.
bool replay(const std::filesystem::path& file) {
    std::printf("%s\n", file.c_str());
    std::fflush(stdout);
    std::ifstream stream(file, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(stream), {});
    banger::fuzz::accepted = false;
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    const bool is_bad = file.filename().string().starts_with("bad-");
    if (!is_bad || !banger::fuzz::accepted) return true;
    std::printf("it should be refused, and was not\n");
    return false;
}

}  // namespace

/// Gives each file below the directories named on the command line to the target. Fails when there
/// is none, for a corpus that got lost is no success, and when one named bad-* is not refused.
int main(int count, char** arguments) {
    int inputs = 0;
    int mistakes = 0;
    for (int index = 1; index < count; ++index) {
        for (const auto& file : std::filesystem::recursive_directory_iterator(arguments[index])) {
            if (!file.is_regular_file()) continue;
            ++inputs;
            if (!replay(file.path())) ++mistakes;
        }
    }
    return inputs > 0 && mistakes == 0 ? 0 : 1;
}
