// Package admin speaks to a bus in another process, through the socket that
// [retinue.Options.Admin] opens, and to one in this process in the same words:
//
//	c := admin.Dial("wallet.db/retinue.sock")
//	defer c.Close()
//	status, err := c.Status(ctx)
//
// A [Client] has the methods of [retinue.Bus] that make sense from outside,
// with the same meaning; [errors.Is] finds the same errors, which arrive as
// [messages.RemoteError]. What the protocol is, [retinue.Bus.AdminHandler]
// says.
package admin
