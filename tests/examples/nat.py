"""A network behind NAT, of network namespaces: machines at 10.77.0.0/24 behind a router whose only way out is 198.51.100.2; this
machine is 198.51.100.1, the internet."""

import os
import subprocess

SUDO = [] if os.getuid() == 0 else ["sudo", "-n"]
HERE, ROUTER = "198.51.100.1", "198.51.100.2"


def run(*command, text=None):
    subprocess.run([*SUDO, *command], check=True, capture_output=True, input=text, text=True)


class Network:
    def __init__(self, machines):
        self.id = f"dgon{os.getpid() % 100000}"
        self.machines = [f"{self.id}-m{i}" for i in range(machines)]
        self.router = f"{self.id}-r"

    def inside(self, machine):
        """What a program is started with on a machine, as ourselves."""
        me = [] if os.getuid() == 0 else ["setpriv", f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--init-groups"]
        return [*SUDO, "ip", "netns", "exec", self.machines[machine], *me]

    def address(self, machine):
        return f"10.77.0.{10 + machine}"

    def start(self):
        r = self.router
        lines = [f"netns add {r}", f"link add {self.id} type veth peer name wan netns {r}", f"addr add {HERE}/24 dev {self.id}", f"link set {self.id} up",
                 f"-n {r} addr add {ROUTER}/24 dev wan", f"-n {r} link set wan up", f"-n {r} link set lo up",
                 f"-n {r} link add lan type bridge", f"-n {r} addr add 10.77.0.1/24 dev lan", f"-n {r} link set lan up"]
        for i, m in enumerate(self.machines):
            lines += [f"netns add {m}", f"-n {r} link add m{i} type veth peer name eth0 netns {m}", f"-n {r} link set m{i} master lan up",
                      f"-n {m} addr add {self.address(i)}/24 dev eth0", f"-n {m} link set eth0 up", f"-n {m} link set lo up",
                      f"-n {m} route add default via 10.77.0.1"]
        for line in lines:
            run("ip", *line.split())
        run("ip", "netns", "exec", r, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.nft(
            "add table ip nat", "add chain ip nat leave { type nat hook postrouting priority 100; }", "add rule ip nat leave oifname wan masquerade",
            "add table ip filter", "add chain ip filter pass { type filter hook forward priority 0; policy drop; }",
            "add rule ip filter pass iifname lan accept", "add rule ip filter pass ct state established,related accept")
        return self

    def nft(self, *lines):
        run("ip", "netns", "exec", self.router, "nft", "-f", "-", text="\n".join(lines) + "\n")

    def open_door(self):
        """Anybody may come in from now on."""
        self.nft("add rule ip filter pass accept")

    def stop(self):
        for name in [*self.machines, self.router]:
            subprocess.run([*SUDO, "ip", "netns", "del", name], capture_output=True)
        subprocess.run([*SUDO, "ip", "link", "del", self.id], capture_output=True)
