/* seccomp.c - the filter of system calls: a list of what is refused.
 *
 * Refused is what reaches the kernel's rarely used corners (io_uring, bpf, keys, userfaultfd),
 * other processes' memory (ptrace, process_vm_*), namespaces and mounts, memory that the limits do
 * not count (memfd, System V shared memory), and input put into terminals (TIOCSTI). Sockets are
 * local, Internet (there is no network behind them) and routing netlink. What is refused fails
 * with EPERM; a socket with EAFNOSUPPORT, which programs (useradd's audit) take for "not here";
 * clone3 with ENOSYS, so that the C library falls back on clone, whose flags can be read. */
#include "env/os/box/seccomp.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define BOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define BOX_ARCH AUDIT_ARCH_AARCH64
#else
#error "the sandbox's filter is written for x86-64 and arm64"
#endif
#define X32_BIT 0x40000000u

static const int refused[] = {
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_process_madvise,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_unshare,
    SYS_setns,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_setup,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_lookup_dcookie,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_syslog,
    SYS_vhangup,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    SYS_memfd_create,
    SYS_memfd_secret,
    SYS_shmget,
    SYS_shmat,
    SYS_msgget,
    SYS_semget,
    SYS_mq_open,
    SYS_personality,
    SYS_mbind,
    SYS_set_mempolicy,
    SYS_move_pages,
    SYS_migrate_pages,
#if defined(__x86_64__)
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
    SYS__sysctl,
    SYS_create_module,
    SYS_get_kernel_syms,
    SYS_query_module,
    SYS_nfsservctl,
#endif
};

#define NAMESPACES                                                                                \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)

/* The low 32 bits of argument i (little-endian machines only, as both are). */
#define ARG(i) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (i)))
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define RET(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE RET(SECCOMP_RET_ERRNO | EPERM)

size_t box_filter(struct sock_filter out[BOX_FILTER_MAX])
{
    size_t n = 0;
#define ADD(...) out[n++] = (struct sock_filter)__VA_ARGS__
#define IF_EQUAL(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (yes), (no))
    ADD(LOAD(offsetof(struct seccomp_data, arch)));
    ADD(IF_EQUAL(BOX_ARCH, 1, 0));
    ADD(RET(SECCOMP_RET_KILL_PROCESS));
    ADD(LOAD(offsetof(struct seccomp_data, nr)));
    ADD(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
    ADD(REFUSE);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        ADD(IF_EQUAL((uint32_t)refused[i], 0, 1));
        ADD(REFUSE);
    }
    ADD(IF_EQUAL(SYS_clone3, 0, 1));
    ADD(RET(SECCOMP_RET_ERRNO | ENOSYS));
    /* clone: no namespaces */
    ADD(IF_EQUAL(SYS_clone, 0, 4));
    ADD(LOAD(ARG(0)));
    ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)NAMESPACES, 0, 1));
    ADD(REFUSE);
    ADD(RET(SECCOMP_RET_ALLOW));
    /* ioctl: nothing is typed into a terminal */
    ADD(IF_EQUAL(SYS_ioctl, 0, 5));
    ADD(LOAD(ARG(1)));
    ADD(IF_EQUAL(TIOCSTI, 1, 0));
    ADD(IF_EQUAL(TIOCLINUX, 0, 1));
    ADD(REFUSE);
    ADD(RET(SECCOMP_RET_ALLOW));
    /* socket: local, Internet, netlink of the routing family */
    ADD(IF_EQUAL(SYS_socket, 0, 8));
    ADD(LOAD(ARG(0)));
    ADD(IF_EQUAL(AF_UNIX, 6, 0));
    ADD(IF_EQUAL(AF_INET, 5, 0));
    ADD(IF_EQUAL(AF_INET6, 4, 0));
    ADD(IF_EQUAL(AF_NETLINK, 0, 2));
    ADD(LOAD(ARG(2)));
    ADD(IF_EQUAL(NETLINK_ROUTE, 1, 0));
    ADD(RET(SECCOMP_RET_ERRNO | EAFNOSUPPORT));
    ADD(RET(SECCOMP_RET_ALLOW));
#undef ADD
#undef IF_EQUAL
    return n;
}
