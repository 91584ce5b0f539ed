// lt_hash FOLDER NAME v1|v2|hybrid PIECE_LENGTH THREADS - what libtorrent takes to hash FOLDER/NAME for a torrent.
// Its Python binding hashes on one thread alone. Prints the wall seconds of the hashing as JSON.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <libtorrent/create_torrent.hpp>
#include <libtorrent/settings_pack.hpp>
#include <string>

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	std::string const folder = argv[1], mode = argv[3];
	lt::file_storage fs;
	lt::add_files(fs, folder + "/" + argv[2]);
	lt::create_flags_t const flags = mode == "v1"   ? lt::create_torrent::v1_only
					 : mode == "v2" ? lt::create_torrent::v2_only
							: lt::create_flags_t{};
	lt::create_torrent torrent(fs, std::atoi(argv[4]), flags);
	lt::settings_pack settings;
	settings.set_int(lt::settings_pack::hashing_threads, std::atoi(argv[5]));
	settings.set_int(lt::settings_pack::aio_threads, std::atoi(argv[5]));
	lt::error_code ec;
	auto const begun = std::chrono::steady_clock::now();
	lt::set_piece_hashes(torrent, folder, settings, [](lt::piece_index_t) {}, ec);
	std::chrono::duration<double> const wall = std::chrono::steady_clock::now() - begun;
	std::printf("{\"wall\": %f}\n", wall.count());
	return ec ? 1 : 0;
}
