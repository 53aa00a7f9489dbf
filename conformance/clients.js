'use strict';

// Calls a daemon by clients of Bitcoin Core that others wrote for Node.js. It is run by
// npm_test.go, with where the daemon is and who its peer is to be in the environment.

const assert = require('node:assert/strict');
const BitcoinCore = require('bitcoin-core');
const { RPCClient } = require('rpc-bitcoin');

const { RPC_HOST, RPC_PORT, RPC_USER, RPC_PASSWORD, PEER } = process.env;

// until asks again until what it gets is as wanted. The test that runs this has a limit.
async function until(ask) {
  for (;;) {
    if (await ask()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// refused checks that a call fails with a code.
async function refused(promise, code) {
  await assert.rejects(promise, (e) => {
    assert.equal(e.code ?? e.statusCode, code, String(e));
    return true;
  });
}

const core = (more) =>
  new BitcoinCore({ host: `http://${RPC_HOST}:${RPC_PORT}`, username: RPC_USER, password: RPC_PASSWORD, ...more });

const tests = {
  async 'bitcoin-core'() {
    const c = core();
    assert.equal(await c.command('addnode', PEER, 'add'), null);
    await refused(c.command('addnode', PEER, 'add'), -23);
    await until(async () => (await c.getPeerInfo()).some((p) => p.subver !== ''));
    const [peer] = await c.getPeerInfo();
    assert.equal(peer.addr, PEER);
    assert.equal(peer.connection_type, 'manual');
    assert.match(peer.subver, /btcwire/);
    assert.equal(typeof peer.bytessent_per_msg.version, 'number');
    assert.equal(await c.getConnectionCount(), 1);
    const added = await c.getAddedNodeInfo(PEER);
    assert.equal(added.length, 1);
    // Its objects have no prototype.
    assert.deepEqual(JSON.parse(JSON.stringify(added[0])), { addednode: PEER, connected: true, addresses: [{ address: PEER, connected: 'outbound' }] });
    const network = await c.getNetworkInfo();
    assert.match(network.subversion, /^\/holdfast:/);
    assert.equal(network.connections_out, 1);
    assert.ok((await c.getNetTotals()).totalbytessent > 0);
    assert.ok((await c.command('uptime')) >= 0);
    assert.equal(await c.ping(), null);
    assert.match(await c.help(), /== Network ==/);

    assert.equal(await c.setBan('192.0.2.1', 'add', 60), null);
    const [ban] = await c.listBanned();
    assert.equal(ban.address, '192.0.2.1/32');
    assert.ok([59, 60].includes(ban.ban_duration), `${ban.ban_duration} s`); // 59 if a second began within the call
    await refused(c.setBan('192.0.2.1', 'add', 60), -23);
    await refused(c.setBan('nowhere', 'add'), -30);
    assert.equal(await c.clearBanned(), null);
    assert.deepEqual(await c.listBanned(), []);

    await refused(c.getBlockCount(), -32601);
    await refused(core({ password: 'guessed' }).getPeerInfo(), 401);
  },

  async 'bitcoin-core, a batch'() {
    const [count, none, info, bad] = await core().command([
      { method: 'getconnectioncount', parameters: [] },
      { method: 'getblockcount', parameters: [] },
      { method: 'getnetworkinfo', parameters: [] },
      { method: 'disconnectnode', parameters: ['192.0.2.1:8333'] },
    ]);
    assert.equal(count, 1);
    assert.equal(none.code, -32601);
    assert.equal(info.connections, 1);
    assert.equal(bad.code, -29);
  },

  // It sends names if it believes that the daemon is no older than 0.14.
  async 'bitcoin-core, by name'() {
    const c = core({ version: '0.17.0' });
    assert.equal(await c.setBan({ subnet: '198.51.100.0/24', command: 'add', bantime: 60, absolute: false }), null);
    assert.equal((await c.listBanned())[0].address, '198.51.100.0/24');
    assert.equal(await c.setBan({ subnet: '198.51.100.0/24', command: 'remove' }), null);
    assert.equal((await c.getAddedNodeInfo({ node: PEER })).length, 1);
    await refused(c.setBan({ subnet: '198.51.100.0/24', command: 'add', until: 60 }), -8);
  },

  // It sends all by name, and its version as a number.
  async 'rpc-bitcoin'() {
    const options = { url: `http://${RPC_HOST}`, port: RPC_PORT, user: RPC_USER, pass: RPC_PASSWORD };
    const c = new RPCClient(options);
    assert.equal((await c.getpeerinfo())[0].addr, PEER);
    assert.equal(await c.getconnectioncount(), 1);
    assert.match((await c.getnetworkinfo()).subversion, /^\/holdfast:/);
    assert.equal((await c.getaddednodeinfo({ node: PEER }))[0].connected, true);
    assert.deepEqual(await c.getnodeaddresses(), []);
    assert.ok((await c.getnettotals()).totalbytesrecv > 0);
    assert.equal(typeof (await c.logging()).CMGR, 'boolean');
    assert.equal((await c.getrpcinfo()).active_commands.length, 1);
    assert.match(await c.help({ command: 'setban' }), /^setban /);
    assert.equal(await c.setban({ subnet: '192.0.2.0/24', command: 'add', bantime: 60 }), null);
    assert.equal((await c.listbanned())[0].address, '192.0.2.0/24');
    assert.equal(await c.clearbanned(), null);
    assert.equal(await c.ping(), null);
    await refused(c.getblockcount(), -32601);
    await refused(new RPCClient({ ...options, pass: 'guessed' }).getpeerinfo(), 401);
    assert.equal(await c.setnetworkactive({ state: true }), true);
    assert.equal(await c.addnode({ node: PEER, command: 'remove' }), null);
    await until(async () => (await c.getconnectioncount()) === 0);
  },
};

(async () => {
  for (const [name, test] of Object.entries(tests)) {
    await test();
    console.log(`ok ${name}`);
  }
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
