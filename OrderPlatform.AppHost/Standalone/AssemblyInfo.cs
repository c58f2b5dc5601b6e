using System.Runtime.Versioning;

// The embedded engines are programs for Linux and macOS; on Windows: WSL, or containers.
[assembly: UnsupportedOSPlatform("windows")]
