"""A home router as far as a program sees it: PCP, NAT-PMP and UPnP, each of which may be missing.

Runs inside the network namespace of a machine that is a peer's default gateway:
    gateway.py ADDRESS FILE [pcp] [natpmp] [upnp] [permanent] [refuse] [tcp-alone] [deaf-to-udp] [other]
`tcp-alone`: it refuses ports of UDP, in each protocol; `deaf-to-udp`: PCP does not answer who wants one;
`other`: it gives other ports than are asked for.
It writes its mappings, {"tcp:6881": [external port, lifetime, protocol that asked]}, to FILE.
"""
import http.server
import json
import os
import re
import socket
import struct
import sys
import threading

ADDRESS, FILE, KNOWN = sys.argv[1], sys.argv[2], set(sys.argv[3:])
EXTERNAL = bytes([203, 0, 113, 9])
mappings, lock = {}, threading.Lock()


def note(proto, port, external, lifetime, by):
    with lock:
        key = f"{proto}:{port}"
        if lifetime is None:
            mappings.pop(key, None)
        else:
            mappings[key] = [external, lifetime, by]
        with open(FILE + ".new", "w") as f:
            json.dump(mappings, f)
        os.rename(FILE + ".new", FILE)


def pcp(data):
    lifetime, nonce, proto = struct.unpack(">I", data[4:8])[0], data[24:36], data[36]
    port, liked = struct.unpack(">HH", data[40:44])
    refused = "refuse" in KNOWN or ("tcp-alone" in KNOWN and proto == 17)
    if "deaf-to-udp" in KNOWN and proto == 17:
        return None
    if "other" in KNOWN:  # than what is asked for
        liked = port + 1000
    if not refused:
        note({6: "tcp", 17: "udp"}[proto], port, liked, lifetime or None, "pcp")
    return (struct.pack(">BBBBII", 2, 0x81, 0, 2 if refused else 0, min(lifetime, 600), 1) + bytes(12) + nonce +
            bytes([proto]) + bytes(3) + struct.pack(">HH", port, liked) + bytes(10) + b"\xff\xff" + EXTERNAL)


def natpmp(data):
    if data[1] == 0:
        return struct.pack(">BBHI", 0, 128, 0, 1) + EXTERNAL
    port, liked, lifetime = struct.unpack(">HHI", data[4:12])
    if "tcp-alone" in KNOWN and data[1] == 1:
        return struct.pack(">BBHIHHI", 0, 129, 2, 1, port, 0, 0)
    note({1: "udp", 2: "tcp"}[data[1]], port, liked, lifetime or None, "natpmp")
    return struct.pack(">BBHIHHI", 0, 128 + data[1], 0, 1, port, liked, lifetime)


def serve_port_control():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((ADDRESS, 5351))
    while True:
        data, who = s.recvfrom(2000)
        reply = None
        if data[0] == 2 and "pcp" in KNOWN:
            reply = pcp(data)
        elif data[0] == 2 and "natpmp" in KNOWN:
            reply = struct.pack(">BBHI", 0, 0x81, 1, 1)
        elif data[0] == 0 and "natpmp" in KNOWN:
            reply = natpmp(data)
        if reply:
            s.sendto(reply, who)


TYPE = "urn:schemas-upnp-org:service:WANIPConnection:1"
DEVICE = f"""<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor>
</specVersion><device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device>
<deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1</serviceType><controlURL>/common</controlURL>
<SCPDURL>/s</SCPDURL><eventSubURL>/e</eventSubURL></service></serviceList><deviceList><device>
<deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><serviceList><service>
<serviceType>{TYPE}</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<controlURL>/control</controlURL><SCPDURL>/s</SCPDURL><eventSubURL>/e</eventSubURL></service></serviceList></device>
</deviceList></device></deviceList></device></root>""".encode()


class Control(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, DEVICE)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        action = re.search(r"#(\w+)", self.headers["SOAPAction"]).group(1)
        value = {k: v for k, v in re.findall(r"<(New\w+)>([^<]*)</", body)}
        out, fault = "", None
        if action == "GetStatusInfo":
            out = "<NewConnectionStatus>Connected</NewConnectionStatus><NewUptime>1</NewUptime>"
        elif action == "GetExternalIPAddress":
            out = "<NewExternalIPAddress>203.0.113.9</NewExternalIPAddress>"
        elif action == "AddPortMapping":
            lease = int(value["NewLeaseDuration"])
            if "permanent" in KNOWN and lease > 0:
                fault = 725
            elif "tcp-alone" in KNOWN and value["NewProtocol"] == "UDP":
                fault = 606
            else:
                note(value["NewProtocol"].lower(), int(value["NewInternalPort"]), int(value["NewExternalPort"]), lease, "upnp")
        elif action == "DeletePortMapping":
            note(value["NewProtocol"].lower(), int(value["NewExternalPort"]), 0, None, "upnp")
        envelope = '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{}</s:Body></s:Envelope>'
        if fault:
            self.answer(500, envelope.format(f"<s:Fault><detail><UPnPError><errorCode>{fault}</errorCode></UPnPError></detail></s:Fault>").encode())
        else:
            self.answer(200, envelope.format(f'<u:{action}Response xmlns:u="{TYPE}">{out}</u:{action}Response>').encode())


class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        # Without asking what our name is, which nobody knows here.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.server_address


def serve_ssdp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("239.255.255.250", 1900))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.255.255.250") + socket.inet_aton(ADDRESS))
    while True:
        data, who = s.recvfrom(2000)
        wanted = re.search(rb"(?im)^ST:\s*(.*?)\r?$", data)
        if data.startswith(b"M-SEARCH") and wanted and b"InternetGatewayDevice:1" in wanted.group(1):
            s.sendto(b"HTTP/1.1 200 OK\r\nST: " + wanted.group(1) + b"\r\nUSN: uuid:1::" + wanted.group(1) +
                     f"\r\nLOCATION: http://{ADDRESS}:5000/d.xml\r\n\r\n".encode(), who)


if __name__ == "__main__":
    note("tcp", 0, 0, None, "start")
    threading.Thread(target=serve_port_control, daemon=True).start()
    if "upnp" in KNOWN:
        threading.Thread(target=serve_ssdp, daemon=True).start()
        threading.Thread(target=Server((ADDRESS, 5000), Control).serve_forever, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()
