#include "guest/vsock-agent/direct_directories.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "guest/vsock-agent/boot_log.hpp"
#include "guest/vsock-agent/copy_tree.hpp"
#include "guest/vsock-agent/files.hpp"

namespace banger::guest {
namespace {

struct Direct {
    const char* path;
    const char* name;  ///< on the VM's disk
    mode_t mode;       ///< when the image has none
};

constexpr Direct kDirect[] = {{"/root", "root", 0700},
                              {"/var/lib/docker", "docker", 0710},
                              {"/var/lib/containerd", "containerd", 0711},
                              {"/var/lib/containers", "containers", 0755}};

void complain(const std::string& what, const char* path, int cause) {
    kernel_log("banger: " + what + " " + path + ": " + std::strerror(cause));
}

bool is_real_directory(const std::string& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

void sync_file_system(const std::string& path) {
    const Fd fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!fd || ::syncfs(fd.get()) != 0) complain("cannot sync", path.c_str(), errno);
}

// Filled aside, synced and renamed: a power cut leaves no half-filled directory that looks done.
void fill(const Direct& direct, const std::string& image, const std::string& home) {
    if (is_directory(home.c_str())) return;
    const std::string fresh = home + ".new";
    remove_tree(fresh);
    make_directory(fresh.c_str(), direct.mode);
    const std::string source = image + direct.path;
    if (is_real_directory(source)) {
        const int failed = copy_tree(source, fresh);
        // The overlay goes on showing the image's own; the next boot tries again.
        if (failed != 0) return complain("cannot copy the image's", direct.path, -failed);
        sync_file_system(fresh);
    }
    if (::rename(fresh.c_str(), home.c_str()) != 0) complain("cannot make", direct.path, errno);
}

void make_parents(const std::string& path) {
    for (auto slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        make_directory(path.substr(0, slash).c_str());
    }
}

}  // namespace

DirectDirectories::DirectDirectories(const std::string& image, const std::string& disk) {
    make_directory(disk.c_str(), 0711);
    for (const Direct& direct : kDirect) {
        const std::string home = disk + "/" + direct.name;
        fill(direct, image, home);
        // A detached copy of the mount can be attached after the old root is out of reach.
        trees_.emplace_back(direct.path, Fd{::open_tree(AT_FDCWD, home.c_str(),
                                                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)});
    }
}

void DirectDirectories::mount() {
    for (const auto& [path, tree] : trees_) {
        if (!tree) continue;
        make_parents(path);
        make_directory(path.c_str());
        if (::move_mount(tree.get(), "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
            complain("cannot mount the VM's own", path.c_str(), errno);
        }
    }
}

void remove_tree(const std::string& path) {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return;
    while (const dirent* entry = ::readdir(directory)) {
        const std::string name = entry->d_name;
        if (name == "." || name == "..") continue;
        const std::string child = path + "/" + name;
        if (is_real_directory(child)) {
            remove_tree(child);
        } else {
            ::unlink(child.c_str());
        }
    }
    ::closedir(directory);
    ::rmdir(path.c_str());
}

}  // namespace banger::guest
